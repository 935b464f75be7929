/// `tokenizer.*` keys of a GGUF -> tokenizer files of a Hugging Face folder.
///
/// `gpt2` becomes a byte-level tokenizer.json; `llama` a tokenizer.json with byte fallback and a SentencePiece
/// tokenizer.model. A file that would give other ids is not written; when none is left that is an error. A GGUF that
/// carries `tokenizer.huggingface.json` gives that text back.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "format/model_source.h"
#include "text/sentencepiece/piece_model.h"

namespace vauban {

struct HfTokenizer {
  std::map<std::string, Json> json_files;
  std::map<std::string, std::string> text_files;
  std::vector<std::string> notes;
};
/// Empty for a GGUF without a tokenizer. Errors: unsupported, with the text that shows the difference; those of loading.
Result<HfTokenizer> tokenizer_to_hf(const ModelSource& gguf);

/// tokenizer.json of the vocabulary in these keys.
Result<Json> tokenizer_json_from_keys(const Json& metadata);

/// The bytes of a tokenizer.model. Reading them with parse_piece_model gives `model` back.
std::string write_piece_model(const PieceModel& model);

}  // namespace vauban
