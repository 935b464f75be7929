#include "model/archs/archs.h"

#include <algorithm>

#include "base/strings.h"

namespace vauban {
namespace {

const std::vector<Architecture>& architectures() {
#define VB_LIST_ARCHITECTURE(name) name##_architecture(),
  static const std::vector<Architecture> list = {VB_ARCHITECTURES(VB_LIST_ARCHITECTURE)};
#undef VB_LIST_ARCHITECTURE
  return list;
}

using Names = std::vector<std::string_view> Architecture::*;

Result<const Architecture*> find_by(Names names, std::string_view wanted, const std::string& where) {
  std::vector<std::string> known;
  for (const Architecture& architecture : architectures()) {
    const auto& own = architecture.*names;
    if (std::find(own.begin(), own.end(), wanted) != own.end()) return &architecture;
    known.insert(known.end(), own.begin(), own.end());
  }
  return unsupported("architecture '{}' ({}) is not supported; known: {}", printable(wanted), where, join(known, ", "));
}

Result<const Architecture*> find_in_gguf(const ModelSource& source) {
  const Json& keys = source.file->metadata();
  const std::string where = source.path.string();
  if (const Json* type = keys.find("general.type"); type && type->as_string() != "model")
    return unsupported("{} holds a '{}' (general.type); expected a model", where, printable(type->as_string()));
  VB_TRY(const std::string name, keys.get_string("general.architecture"), "in {}", where);
  return find_by(&Architecture::gguf_names, name, "general.architecture in " + where);
}

Result<const Architecture*> find_in_hf(const ModelSource& source) {
  const std::string where = "config.json of " + source.path.string();
  const Json* names = source.config.find("architectures");
  if (!names || !names->is_array() || names->size() != 1 || !names->items().front().is_string())
    return unsupported("{}: expected \"architectures\" to be a list of one name, found {}", where,
                       names ? names->type_name() : "nothing");
  return find_by(&Architecture::hf_names, names->items().front().as_string(), where);
}

}  // namespace

Result<ModelConfig> Architecture::read_config(const ModelSource& model) const {
  VB_CHECK(model.check_quantization());
  VB_TRY(ModelConfig c, model.is_gguf() ? config_from_gguf(model) : config_from_hf(model));
  // Shapes are products of three of these: they must stay far from 63 bits.
  constexpr std::int64_t kMaxWidth = std::int64_t{1} << 24;
  for (const std::int64_t width : {c.width, c.mlp_width, c.heads * c.head_dim})
    if (width > kMaxWidth) return corrupt("{}: a width of {} is more than any model has ({})", model.path.string(), width, kMaxWidth);
  return c;
}

TensorMap Architecture::tensors(const ModelConfig& config) const {
  TensorLister lister;
  if (const auto listed = load_decoder(config, names(config), lister); !listed) return {};  // a lister cannot fail
  return lister.take();
}

const Architecture* gguf_architecture(const Architecture& architecture) {
  const std::string_view id = architecture.gguf_id.empty() ? architecture.id : architecture.gguf_id;
  for (const Architecture& other : architectures())
    if (other.id == id && other.config_from_gguf) return &other;
  return nullptr;
}

std::span<const Architecture> all_architectures() { return architectures(); }

Result<const Architecture*> find_architecture(const ModelSource& source) {
  return source.is_gguf() ? find_in_gguf(source) : find_in_hf(source);
}

}  // namespace vauban
