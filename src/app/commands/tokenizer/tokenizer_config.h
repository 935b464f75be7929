/// TokenizerTrainConfig: what `vauban tokenizer train` is asked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/options.h"

namespace vauban {

struct TokenizerTrainConfig {
  std::string action, kind;
  std::int64_t vocab_size = 0;
  std::vector<std::string> input;
  std::string jsonl_field = "text";
  std::vector<std::string> special, user_symbols;
  std::optional<std::string> bos, eos, unk, pad;
  bool add_bos = false, add_eos = false;
  std::string pre = "gpt2";
  std::optional<std::int64_t> min_frequency;
  std::string ties = "bytes";
  std::optional<double> character_coverage;
  bool byte_fallback = false, keep_spaces = false;
  std::optional<std::string> chat_template;
  std::string out;
  CommonOptions common;
};

inline void fields(TokenizerTrainConfig& c, FieldVisitor& f) {
  f("action", c.action, {.help = "what to do", .required = true, .choices = {"train"}, .positional = true});
  f("kind", c.kind, {.help = "byte-level BPE, or a unigram model", .required = true, .choices = {"bpe", "unigram"}});
  f("vocab_size", c.vocab_size, {.help = "all of the vocabulary, special tokens included", .required = true, .min = 1, .max = 16777216, .unit = "tokens"});
  f("input", c.input, {.help = "files of text, or .jsonl", .required = true, .file = true});
  f("jsonl_field", c.jsonl_field, {.help = "the field of a .jsonl line that is the text"});
  f("special", c.special, {.help = "control tokens, in the order of their ids"});
  f("user_symbols", c.user_symbols, {.help = "ordinary text that is always one token"});
  f("bos", c.bos, {.help = "token that begins a text; unigram: <s>, \"\" for none"});
  f("eos", c.eos, {.help = "token that ends a text; unigram: </s>, \"\" for none"});
  f("unk", c.unk, {.help = "unknown token; unigram: <unk>"});
  f("pad", c.pad, {.help = "padding token"});
  f("add_bos", c.add_bos, {.help = "bpe: put BOS in front of every text"});
  f("add_eos", c.add_eos, {.help = "bpe: put EOS behind every text"});
  f("pre", c.pre, {.help = "bpe: how text is cut before merging: gpt2, llama3, qwen2, ..."});
  f("min_frequency", c.min_frequency, {.help = "bpe: how often a pair must occur to be merged; default 1", .min = 1});
  f("ties", c.ties, {.help = "bpe: of equally frequent pairs the greatest bytes, or (as Hugging Face tokenizers) the lowest ids", .choices = {"bytes", "ids"}});
  f("character_coverage", c.character_coverage, {.help = "unigram: share of the characters that get a piece of their own; default 0.9995", .min = 0.5, .max = 1});
  f("byte_fallback", c.byte_fallback, {.help = "unigram: 256 byte pieces for what no piece covers"});
  f("keep_spaces", c.keep_spaces, {.help = "unigram: runs of spaces stay as they are"});
  f("chat_template", c.chat_template, {.help = "Jinja file for tokenizer_config.json", .file = true});
  f("out", c.out, {.help = "folder; unigram: or a .model file", .required = true, .file = true});
  fields(c.common, f);
}

}  // namespace vauban
