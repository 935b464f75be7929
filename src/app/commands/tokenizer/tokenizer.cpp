/// vauban tokenizer train --kind bpe|unigram --vocab-size N --input F --out DIR: text -> a tokenizer.

#include "app/command.h"
#include "app/commands/tokenizer/tokenizer_training.h"

namespace vauban {
namespace {

Result<int> run_tokenizer(const TokenizerTrainConfig& config, Session& session) {
  VB_CHECK(check_kind(config));
  VB_TRY(const Json answer, config.kind == "bpe" ? train_bpe_files(config, session.context()) : train_unigram_files(config, session.context()));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer));
    return 0;
  }
  session.out().text(format("{}: {} tokens from {} distinct words in {} bytes\n", config.kind, answer.find("vocab_size")->as_int(),
                            answer.find("words")->as_int(), answer.find("bytes")->as_int()));
  for (const Json& file : answer.find("files")->items()) session.out().text(format("wrote {}\n", file.as_string()));
  return 0;
}

}  // namespace

Command tokenizer_command() {
  return make_command<TokenizerTrainConfig>(
      {"tokenizer", "train a tokenizer on text",
       "`vauban tokenizer train --kind bpe` writes a Hugging Face folder (tokenizer.json, tokenizer_config.json); `--kind unigram` a "
       "SentencePiece model.\n\n"
       "Text is UTF-8, and what is not is refused with its byte. Of the text only the words and their counts are kept. The same text "
       "gives the same files. The vocabulary has exactly the size that was asked for, or the error says which is possible.\n\n"
       "Special tokens in the text are not learned from. In --special and --user-symbols `\\,` is a comma inside a token."},
      run_tokenizer);
}

}  // namespace vauban
