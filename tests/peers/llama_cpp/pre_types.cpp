// pre_types BASE.gguf TOKENS MERGES TEXTS PRE...: how libllama tokenises texts under each `tokenizer.ggml.pre` with a gpt2 vocabulary
// (a token and a merge per line). BASE: a vocabulary file whose other keys are taken; texts are divided by NUL bytes. A line of JSON for each: {"pre": name, "ids": [[...], ...]}, or {"pre": name, "error": true}.
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "gguf.h"
#include "llama.h"

std::vector<std::string> parts(const char* path, char divider) {
  std::ifstream in(path, std::ios::binary);
  std::vector<std::string> out;
  for (std::string part; std::getline(in, part, divider);) out.push_back(part);
  return out;
}

void set_list(gguf_context* file, const char* key, const std::vector<std::string>& list) {
  std::vector<const char*> texts;
  for (const std::string& text : list) texts.push_back(text.c_str());
  gguf_set_arr_str(file, key, texts.data(), texts.size());
}

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  const std::vector<std::string> tokens = parts(argv[2], '\n'), merges = parts(argv[3], '\n'), texts = parts(argv[4], '\0');
  const std::vector<int> types(tokens.size(), 1);
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_backend_init();
  const std::string changed = std::string(argv[4]) + ".gguf";
  for (int i = 5; i < argc; ++i) {
    gguf_context* file = gguf_init_from_file(argv[1], {.no_alloc = true, .ctx = nullptr});
    gguf_set_val_str(file, "tokenizer.ggml.pre", argv[i]);
    set_list(file, "tokenizer.ggml.tokens", tokens);
    set_list(file, "tokenizer.ggml.merges", merges);
    gguf_set_arr_data(file, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), types.size());
    for (const char* key : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.unknown_token_id"})
      gguf_set_val_u32(file, key, 0);
    gguf_write_to_file(file, changed.c_str(), true);
    gguf_free(file);
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    llama_model* model = llama_model_load_from_file(changed.c_str(), params);
    if (!model) {
      std::printf("{\"pre\": \"%s\", \"error\": true}\n", argv[i]);
      continue;
    }
    std::printf("{\"pre\": \"%s\", \"ids\": [", argv[i]);
    for (std::size_t t = 0; t < texts.size(); ++t) {
      std::vector<llama_token> ids(texts[t].size() * 4 + 16);
      const int count = llama_tokenize(llama_model_get_vocab(model), texts[t].data(), static_cast<int>(texts[t].size()), ids.data(),
                                       static_cast<int>(ids.size()), false, false);
      std::printf("%s[", t ? ", " : "");
      for (int k = 0; k < count; ++k) std::printf("%s%d", k ? ", " : "", ids[static_cast<std::size_t>(k)]);
      std::printf("]");
    }
    std::printf("]}\n");
    llama_model_free(model);
  }
  std::remove(changed.c_str());
}
