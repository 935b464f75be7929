#include "app/commands/tokenizer/tokenizer_training.h"

#include <algorithm>
#include <filesystem>

#include "base/json_file.h"
#include "text/gguf_pre.h"
#include "text/tokenizer.h"
#include "text/training/line_words.h"
#include "text/training/pattern_words.h"
#include "text/training/piece_model_writer.h"
#include "text/training/tokenizer_files.h"
#include "text/training/unigram_model.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

CorpusOptions corpus_of(const TokenizerTrainConfig& config) {
  return {.files = {config.input.begin(), config.input.end()}, .jsonl_field = config.jsonl_field};
}

Result<std::optional<std::string>> read_template(const TokenizerTrainConfig& config) {
  if (!config.chat_template) return std::nullopt;
  VB_TRY(std::string text, read_file(*config.chat_template));
  return text;
}

Result<void> make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return io("cannot make the folder {}: {}", folder.string(), error.message());
  return ok();
}

/// The special tokens with the roles that are not among them yet.
std::vector<std::string> with_roles(std::vector<std::string> specials, const TokenizerRoles& roles) {
  for (const auto* role : {&roles.bos, &roles.eos, &roles.unk, &roles.pad})
    if (*role && std::find(specials.begin(), specials.end(), **role) == specials.end()) specials.push_back(**role);
  return specials;
}

/// A role of the unigram model: what was asked, "" for none, else its default.
std::optional<std::string> role(const std::optional<std::string>& asked, std::optional<std::string> fallback) {
  if (!asked) return fallback;
  return asked->empty() ? std::nullopt : asked;
}

Json answer(const TokenizerTrainConfig& config, const CorpusWords& corpus, const Tokenizer& loaded,
            const std::vector<fs::path>& files) {
  Json names = Json::array();
  for (const fs::path& file : files) names.push_back(file.string());
  return Json::object({{"kind", config.kind},
                       {"out", config.out},
                       {"vocab_size", loaded.vocab_size()},
                       {"words", corpus.words.size()},
                       {"bytes", corpus.bytes},
                       {"digest", loaded.digest()},
                       {"files", std::move(names)}});
}

UnigramSymbols unigram_symbols(const TokenizerTrainConfig& config) {
  UnigramSymbols symbols{.unknown = config.unk.value_or("<unk>"),
                         .bos = role(config.bos, "<s>"),
                         .eos = role(config.eos, "</s>"),
                         .pad = role(config.pad, std::nullopt),
                         .control = config.special,
                         .user_defined = config.user_symbols,
                         .byte_fallback = config.byte_fallback};
  std::erase_if(symbols.control, [&](const std::string& token) {
    return token == symbols.unknown || token == symbols.bos || token == symbols.eos || token == symbols.pad;
  });
  return symbols;
}

}  // namespace

Result<void> check_kind(const TokenizerTrainConfig& config) {
  const bool bpe = config.kind == "bpe";
  const auto refuse = [&](bool given, const char* flag) -> Result<void> {
    if (!given) return ok();
    return invalid_input("{} is for --kind {}", flag, bpe ? "unigram" : "bpe");
  };
  VB_CHECK(refuse(bpe && config.character_coverage, "--character-coverage"));
  VB_CHECK(refuse(bpe && config.byte_fallback, "--byte-fallback"));
  VB_CHECK(refuse(bpe && config.keep_spaces, "--keep-spaces"));
  VB_CHECK(refuse(!bpe && config.min_frequency, "--min-frequency"));
  VB_CHECK(refuse(!bpe && config.add_bos, "--add-bos"));
  VB_CHECK(refuse(!bpe && config.add_eos, "--add-eos"));
  VB_CHECK(refuse(!bpe && config.pre != "gpt2", "--pre"));
  return refuse(!bpe && config.ties != "bytes", "--ties");
}

Result<Json> train_bpe_files(const TokenizerTrainConfig& config, const Context& context) {
  VB_TRY(const GgufPreType* const pre, find_gguf_pre(config.pre == "gpt2" ? "gpt-2" : config.pre), "in --pre");
  VB_TRY(const auto chat_template, read_template(config));
  const TokenizerRoles roles{.bos = config.bos, .eos = config.eos, .unk = config.unk, .pad = config.pad, .add_bos = config.add_bos, .add_eos = config.add_eos};
  const std::vector<std::string> specials = with_roles(config.special, roles);
  std::vector<std::string> whole = specials;
  whole.insert(whole.end(), config.user_symbols.begin(), config.user_symbols.end());
  VB_TRY(const PatternWords rule, PatternWords::make(pre->patterns, whole));
  VB_TRY(const CorpusWords corpus, count_words(corpus_of(config), rule, context));
  VB_TRY(const TrainedBpe trained,
         train_bpe(corpus.words,
                   {.vocab_size = config.vocab_size,
                    .specials = whole,
                    .min_frequency = static_cast<std::uint64_t>(config.min_frequency.value_or(1)),
                    .ties = config.ties == "ids" ? BpeTies::lowest_ids : BpeTies::greatest_bytes},
                   context));
  VB_TRY(const Json tokenizer, bpe_tokenizer_json(trained, {.patterns = pre->patterns,
                                                            .ignore_merges = pre->ignore_merges,
                                                            .specials = specials,
                                                            .user_defined = config.user_symbols,
                                                            .roles = roles}));
  const Json settings = tokenizer_config_json(roles, chat_template, "PreTrainedTokenizerFast");
  VB_TRY(const std::string text, tokenizer.dump());
  VB_TRY(const auto loaded, load_tokenizer_json(text, {.tokenizer_config = settings}), "reading what was trained");
  VB_CHECK(make_folder(config.out));
  const std::vector<fs::path> files{fs::path(config.out) / "tokenizer.json", fs::path(config.out) / "tokenizer_config.json"};
  VB_CHECK(write_json_file(files[0], tokenizer));
  VB_CHECK(write_json_file(files[1], settings));
  Json out = answer(config, corpus, *loaded, files);
  out["merges"] = trained.merges.size();
  return out;
}

Result<Json> train_unigram_files(const TokenizerTrainConfig& config, const Context& context) {
  const bool one_file = fs::path(config.out).extension() == ".model";
  if (one_file && config.chat_template) return invalid_input("--chat-template needs a folder for --out, not a .model file");
  VB_TRY(const auto chat_template, read_template(config));
  const UnigramSymbols symbols = unigram_symbols(config);
  VB_TRY(const auto around, symbols.pieces());
  if (config.vocab_size <= static_cast<std::int64_t>(around.size()))
    return invalid_input("vocabulary size {}: special, user and byte pieces alone are {}", config.vocab_size, around.size());
  VB_TRY(const CorpusWords corpus, count_words(corpus_of(config), LineWords(symbols.texts(), config.keep_spaces), context));
  const double coverage = config.character_coverage.value_or(0.9995);
  VB_TRY(const UnigramPieces trained,
         train_unigram(corpus.words, {.n_pieces = static_cast<std::size_t>(config.vocab_size) - around.size(), .character_coverage = coverage}, context),
         "with {} special, user and byte pieces in a vocabulary of {}", around.size(), config.vocab_size);
  VB_TRY(const PieceModel model, unigram_model(trained, symbols, config.keep_spaces));
  const std::string bytes = write_piece_model(model, {.character_coverage = coverage, .pad_piece = symbols.pad.value_or("")});
  VB_TRY(const auto loaded, load_sentencepiece(bytes), "reading what was trained");
  const fs::path folder = one_file ? fs::path(config.out).parent_path() : fs::path(config.out);
  if (!folder.empty()) VB_CHECK(make_folder(folder));
  std::vector<fs::path> files{one_file ? fs::path(config.out) : folder / "tokenizer.model"};
  VB_CHECK(write_file_atomic(files[0], bytes));
  if (!one_file) {
    files.push_back(folder / "tokenizer_config.json");
    const TokenizerRoles roles{.bos = symbols.bos, .eos = symbols.eos, .unk = symbols.unknown, .pad = symbols.pad};
    VB_CHECK(write_json_file(files[1], tokenizer_config_json(roles, chat_template, "")));
  }
  Json out = answer(config, corpus, *loaded, files);
  out["pieces"] = trained.size();
  return out;
}

}  // namespace vauban
