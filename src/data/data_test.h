/// Tokenizers, templates and files for the tests of this layer.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/dataset.h"
#include "support/test_data.h"
#include "support/tiny_tokenizer.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace vauban::test {

/// Puts <s> before a text; </s> is the EOS.
inline std::shared_ptr<const Tokenizer> tiny_tokenizer() {
  TokenizerHints hints;
  hints.tokenizer_config = Json::object({{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  return load_tokenizer_json(*tiny_tokenizer_json().dump(), hints).value();
}

/// "<7> <8>" becomes 7, 8: the token ids of published cases, written out. <2> is the EOS.
inline std::shared_ptr<const Tokenizer> number_tokenizer() {
  Json vocabulary = Json::object();
  for (int id = 0; id < 256; ++id) vocabulary[format("<{}>", id)] = id;
  const Json model = Json::object({{"type", "BPE"},
                                   {"dropout", nullptr},
                                   {"unk_token", nullptr},
                                   {"ignore_merges", true},
                                   {"vocab", vocabulary},
                                   {"merges", Json::array()}});
  const Json document = Json::object({{"version", "1.0"},
                                      {"added_tokens", Json::array()},
                                      {"normalizer", nullptr},
                                      {"pre_tokenizer", Json::object({{"type", "WhitespaceSplit"}})},
                                      {"post_processor", nullptr},
                                      {"decoder", nullptr},
                                      {"model", model}});
  TokenizerHints hints;
  hints.tokenizer_config = Json::object({{"eos_token", "<2>"}});
  return load_tokenizer_json(*document.dump(), hints).value();
}

inline std::shared_ptr<const ChatTemplate> chat_template(const std::string& source) {
  return ChatTemplate::parse(source).value();
}

/// The way of many models: a BOS, and turns between marks.
inline std::shared_ptr<const ChatTemplate> marks_template() {
  return chat_template(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}\n{% endfor %}"
      "{% if add_generation_prompt %}[assistant]{% endif %}");
}

/// Bytes of the ids that are targets, with '|' between runs.
inline std::string target_text(const Example& example, const Tokenizer& tokenizer) {
  std::string out;
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    if (!example.is_target[i]) continue;
    if (!out.empty() && !example.is_target[i - 1]) out += '|';
    out += tokenizer.token_bytes(example.ids[i]).value();
  }
  return out;
}

class CountingProgress final : public ProgressSink {
 public:
  void update(std::string_view, std::uint64_t, std::uint64_t, std::string_view) override { ++updates; }
  void finish(std::string_view) override { ++finished; }
  std::atomic<int> updates{0}, finished{0};
};

/// Writes files and loads them.
struct DataFiles {
  TempDir folder;
  ThreadPool pool{2};
  CountingProgress progress;
  CancelToken cancel;
  DatasetOptions options;
  std::shared_ptr<const Tokenizer> tokenizer = tiny_tokenizer();
  std::shared_ptr<const ChatTemplate> conversation = marks_template();

  std::filesystem::path write(std::string_view name, std::string_view text) {
    std::ofstream(folder / name, std::ios::binary) << text;
    return folder / name;
  }
  Result<Dataset> load(const std::vector<std::filesystem::path>& files) {
    const Context context{.pool = pool, .clock = system_clock(), .progress = progress, .cancel = cancel};
    return Dataset::load(files, options, *tokenizer, conversation.get(), context);
  }
  Result<Dataset> load(std::string_view name, std::string_view text) { return load({write(name, text)}); }
  std::string error(std::string_view name, std::string_view text) {
    const auto loaded = load(name, text);
    return loaded ? "no error" : describe(loaded.error());
  }
};

}  // namespace vauban::test
