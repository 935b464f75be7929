#include "surface/declaration.h"

#include <algorithm>

#include "backends/backends.h"
#include "base/strings.h"
#include "model/model.h"
#include "ops/forwarding_ops.h"
#include "support/test_context.h"

namespace vauban::test {
namespace {

/// The same operations under another device's name: what the code would say there.
class OnKind final : public ForwardingOps {
 public:
  OnKind(std::unique_ptr<Ops> inner, std::string kind) : ForwardingOps(std::move(inner)), kind_(std::move(kind)) {}
  std::string_view device_kind() const override { return kind_; }
  std::string device_label() const override { return kind_ + ":0"; }

 private:
  std::string kind_;
};

Result<const BackendEntry*> entry_of(std::string_view backend) {
  for (const BackendEntry& entry : all_backends())
    if (entry.id == backend) return &entry;
  return not_found("no backend '{}'", backend);
}

/// Operations that the model needs and that this backend lacks.
Support needs_of(const ModelConfig& config, const Ops& ops, Direction direction) {
  std::vector<std::string> lacks;
  for (const Op op : ops_of(config.decoder))
    if (!ops.supports(op, direction)) lacks.emplace_back(to_string(op));
  if (lacks.empty()) return {SupportLevel::full, ""};
  return {SupportLevel::partial, format("backend '{}' lacks {}", ops.backend(), join(lacks, ", "))};
}

Support gradients_of(const ModelConfig& config, const BackendEntry& entry, const Context& context) {
  const auto ops = entry.make_training(context, "", "f32");
  if (!ops) return {SupportLevel::unsupported, ops.error().message};
  return needs_of(config, **ops, Direction::backward);
}

/// Observable sites against those that the architecture has; a site that it does not have is nobody's limit.
Support observable(const ModelConfig& config, const Capability& capability) {
  std::vector<std::string> lacks;
  for (const Site site : sites_of(config.decoder))
    if (const Support support = capability.site(site); support.level != SupportLevel::full)
      lacks.push_back(format("{} ({})", to_string(site), support.reason));
  if (lacks.empty()) return {SupportLevel::full, ""};
  return {SupportLevel::partial, "not observable: " + join(lacks, ", ")};
}

}  // namespace

bool Declaration::has_device(std::string_view kind) const {
  return std::find(device_kinds.begin(), device_kinds.end(), kind) != device_kinds.end();
}

Support weaker(const Support& a, const Support& b) { return b.level < a.level ? b : a; }

Result<Declaration> declare(std::string_view backend, std::string_view device, const std::filesystem::path& model) {
  const TestContext services(1);
  VB_TRY(const BackendEntry* entry, entry_of(backend));
  VB_TRY(std::unique_ptr<Ops> ops, make_backend(backend, services.context_, {.device = std::string(device)}));
  VB_TRY(const ModelSource source, ModelSource::open(model));
  VB_TRY(const Architecture* architecture, find_architecture(source));
  VB_TRY(const ModelConfig config, architecture->read_config(source));
  VB_TRY(const auto tokenizer, load_tokenizer(source));
  Declaration out;
  out.backend = backend;
  out.device_kinds.assign(entry->devices.begin(), entry->devices.end());
  out.device = {std::string(ops->device_kind()), ops->device_label()};
  out.capability = capability_of(config, *ops, tokenizer != nullptr);
  out.forward = needs_of(config, *ops, Direction::forward);
  out.backward = gradients_of(config, *entry, services.context_);
  out.sites = observable(config, out.capability);
  for (const std::string& kind : out.device_kinds) {
    VB_TRY(std::unique_ptr<Ops> inner, make_backend(backend, services.context_, {.device = std::string(device)}));
    OnKind there(std::move(inner), kind);
    out.on_kind.emplace(kind, capability_of(config, there, tokenizer != nullptr));
  }
  return out;
}

}  // namespace vauban::test
