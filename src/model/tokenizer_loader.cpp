#include "base/files.h"
#include "model/model.h"

namespace vauban {
namespace {

using TokenizerResult = Result<std::shared_ptr<const Tokenizer>>;
constexpr std::size_t kMaxTokenizerBytes = std::size_t{1} << 28;

TokenizerResult from_tokenizer_json(const std::filesystem::path& path, const TokenizerHints& hints) {
  VB_TRY(const std::string text, read_file(path, kMaxTokenizerBytes));
  VB_TRY(auto tokenizer, load_tokenizer_json(text, hints), "in {}", path.string());
  return tokenizer;
}

/// A SentencePiece model, or the ranks of tiktoken, which some publish under the same name.
TokenizerResult from_model_file(const std::filesystem::path& path, const TokenizerHints& hints) {
  VB_TRY(const std::string bytes, read_file(path, kMaxTokenizerBytes));
  VB_TRY(auto tokenizer, is_rank_file(bytes) ? load_tiktoken(bytes, hints) : load_sentencepiece(bytes, hints), "in {}",
         path.string());
  return tokenizer;
}

TokenizerResult from_gguf(const ModelFile& file, const std::filesystem::path& path) {
  VB_TRY(auto tokenizer, load_gguf_vocab(file.metadata()), "in {}", path.string());
  return tokenizer;
}

/// A JSON file that may lie beside a bare tokenizer; null where it is absent.
Result<Json> sibling(const std::filesystem::path& path, const char* name) {
  const std::filesystem::path file = path.parent_path() / name;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return Json();
  VB_TRY(const std::string text, read_file(file, kMaxTokenizerBytes));
  VB_TRY(Json json, Json::parse(text), "in {}", file.string());
  return json;
}

Result<TokenizerHints> hints_beside(const std::filesystem::path& path) {
  TokenizerHints hints;
  VB_TRY(hints.tokenizer_config, sibling(path, "tokenizer_config.json"));
  VB_TRY(hints.special_tokens_map, sibling(path, "special_tokens_map.json"));
  VB_TRY(hints.generation_config, sibling(path, "generation_config.json"));
  return hints;
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const ModelSource& source) {
  if (source.is_gguf()) {
    const Json* kind = source.file->metadata().find("tokenizer.ggml.model");
    if (!kind || *kind == Json("none") || *kind == Json("no_vocab")) return std::shared_ptr<const Tokenizer>();
    return from_gguf(*source.file, source.path);
  }
  const TokenizerHints hints{.tokenizer_config = source.tokenizer_config,
                             .special_tokens_map = source.special_tokens_map,
                             .generation_config = source.generation_config};
  if (source.tokenizer_json) return from_tokenizer_json(*source.tokenizer_json, hints);
  if (source.tokenizer_model) return from_model_file(*source.tokenizer_model, hints);
  return std::shared_ptr<const Tokenizer>();
}

Result<std::shared_ptr<const Tokenizer>> load_tokenizer_file(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".gguf") {
    VB_TRY(const ModelSource source, ModelSource::open(path));
    return from_gguf(*source.file, path);
  }
  if (extension != ".json" && extension != ".model" && extension != ".tiktoken")
    return unsupported("{}: expected a tokenizer.json, a .model, a .tiktoken or a .gguf file", path.string());
  VB_TRY(const TokenizerHints hints, hints_beside(path));
  return extension == ".json" ? from_tokenizer_json(path, hints) : from_model_file(path, hints);
}

}  // namespace vauban
