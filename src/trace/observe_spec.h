/// The language of `--observe`: a comma-separated list of
///
///   site:layers:form[@positions]     sites of a layer        resid_post:all:payload@last, attn_pattern:0-3:summary
///   site:form[@positions]            the other sites         logits:payload@last, logprobs:top20
///   weights:tensors:form             loaded weights          weights:model.layers.*.mlp.down_proj.weight:summary
///
///   layers     all | 3 | 0-3                     counted from 0
///   form       summary | payload | payload_f16 | topN   (topN: logits and logprobs)
///   positions  all | last | decode | 3 | 3-7     prompt rows first; default all
///   tensors    Hugging Face names; * and ? stand for any characters; the form is summary or payload
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {

/// In the order given. Errors: invalid_input quoting the SPEC, what was expected and, for names, a did-you-mean; also
/// when two SPECs ask for the same.
Result<std::vector<Want>> parse_observe(std::string_view text);

/// One SPEC. Errors as above.
Result<Want> parse_observe_spec(std::string_view spec);

/// The SPEC that parse_observe_spec reads back; "" for a want that the language cannot say (other moments, layer lists
/// with gaps, position lists).
std::string observe_spec(const Want& want);

}  // namespace vauban
