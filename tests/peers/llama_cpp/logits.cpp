// Asks libllama. README.md says how it is built.
//
// logits MODEL.gguf IDS OUT [KEY=NUMBER]   writes the logits of every position as f32 (T, V), host byte order; the key is
//                                          set to the number. CPU, f32 cache, no flash attention, one thread.
// logits --decode MODEL.gguf OUT.gguf      the same model with every matrix as f32, decoded by llama.cpp
// logits --tokenize MODEL.gguf TEXTS       prints the ids of each text on a line; texts end with a zero byte, nothing is added
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "llama.h"

namespace {

std::vector<llama_token> ids_of(const std::string& text) {
  std::vector<llama_token> ids;
  std::istringstream words(text);
  for (std::string id; std::getline(words, id, ',');) ids.push_back(std::stoi(id));
  return ids;
}

int fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  return 1;
}

int decode(const char* in, const char* out) {
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.nthread = 1;
  params.ftype = LLAMA_FTYPE_ALL_F32;
  params.allow_requantize = true;
  return llama_model_quantize(in, out, &params) == 0 ? 0 : fail("llama_model_quantize failed");
}

int tokenize(const char* path, const char* texts) {
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  llama_model* model = llama_model_load_from_file(path, params);
  if (!model) return fail("refused");
  std::ifstream in(texts, std::ios::binary);
  for (std::string text; std::getline(in, text, '\0');) {
    std::vector<llama_token> ids(text.size() * 4 + 16);
    const int count = llama_tokenize(llama_model_get_vocab(model), text.data(), static_cast<int>(text.size()), ids.data(),
                                     static_cast<int>(ids.size()), false, false);
    if (count < 0) return fail("llama_tokenize failed");
    for (int i = 0; i < count; ++i) std::printf(i ? " %d" : "%d", ids[static_cast<std::size_t>(i)]);
    std::printf("\n");
  }
  return 0;
}

int logits(int argc, char** argv) {
  const std::vector<llama_token> ids = ids_of(argv[2]);
  llama_model_params model_params = llama_model_default_params();
  llama_model_kv_override overrides[2] = {};
  if (argc > 4) {
    const std::string text = argv[4];
    overrides[0].tag = LLAMA_KV_OVERRIDE_TYPE_INT;
    std::snprintf(overrides[0].key, sizeof overrides[0].key, "%s", text.substr(0, text.find('=')).c_str());
    overrides[0].val_i64 = std::stoll(text.substr(text.find('=') + 1));
    model_params.kv_overrides = overrides;
  }
  llama_model* model = llama_model_load_from_file(argv[1], model_params);
  if (!model) return fail("refused");
  llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = 512;
  params.n_threads = params.n_threads_batch = 1;
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  llama_context* context = llama_init_from_model(model, params);
  if (!context) return fail("no context");
  llama_batch batch = llama_batch_init(static_cast<int>(ids.size()), 0, 1);
  batch.n_tokens = static_cast<int>(ids.size());
  for (int i = 0; i < batch.n_tokens; ++i) {
    batch.token[i] = ids[static_cast<std::size_t>(i)];
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  if (llama_decode(context, batch) != 0) return fail("llama_decode failed");
  const int vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
  std::ofstream out(argv[3], std::ios::binary);
  for (int i = 0; i < batch.n_tokens; ++i)
    out.write(reinterpret_cast<const char*>(llama_get_logits_ith(context, i)), static_cast<std::streamsize>(sizeof(float)) * vocab);
  return out ? 0 : fail("cannot write");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return fail("usage: logits MODEL.gguf IDS OUT [KEY=NUMBER] | logits --decode MODEL.gguf OUT.gguf | logits --tokenize MODEL.gguf TEXTS");
  llama_log_set([](ggml_log_level level, const char* text, void*) { if (level >= GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr); }, nullptr);
  llama_backend_init();
  if (std::string(argv[1]) == "--tokenize") return tokenize(argv[2], argv[3]);
  return std::string(argv[1]) == "--decode" ? decode(argv[2], argv[3]) : logits(argc, argv);
}
