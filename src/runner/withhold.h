/// What a run folder may keep of a prompt that is not safe to show: nothing from which its text, its answer or their
/// token ids can be read back. Such a prompt is asked for less, and its trace is stored without what spells it out.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "suite/suite.h"
#include "vauban/trace.h"

namespace vauban {

/// Reason of the Missing entries.
inline constexpr std::string_view kWithheld = "withheld by redaction";

struct StorableRequest {
  TraceRequest request;
  std::vector<Missing> withheld;  ///< one per want (and layer it names) that was downgraded or dropped
};

/// A safe prompt's request stays as it is. Of the others, wants with a payload or a top-k become summaries, and wants
/// at single positions go: row by row they would give away token by token. Run it without a payload sink.
StorableRequest storable_request(TraceRequest request, Redaction redaction);

/// The trace as it may be stored, with `withheld` among its missing. Not safe: no text, ids, token values, top-k rows
/// or payloads, and of sites that depend on one token only (the embedding and the first projections of layer 0) and of
/// single positions neither digest nor figures, since the weights would turn them into ids. redacted: the digest and
/// length of a text stay. omitted: they go, and so do all digests of what was computed from the text.
Result<Trace> withhold(const Trace& trace, Redaction redaction, const std::vector<Missing>& withheld);

}  // namespace vauban
