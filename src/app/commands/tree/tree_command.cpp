/// vauban tree MODEL: the tensors of a file as a tree of modules.

#include "app/command.h"
#include "app/open.h"
#include "app/tree/module_tree.h"

namespace vauban {
namespace {

struct TreeConfig {
  std::string model;
  int depth = 0;
  bool all = false;
  CommonOptions common;
};

void fields(TreeConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("depth", c.depth, {.help = "levels below the model; 0: all", .min = 0, .max = 1000});
  f("all", c.all, {.help = "every numbered module, also those that are alike"});
  fields(c.common, f);
}

Result<int> run_tree(const TreeConfig& config, Session& session) {
  VB_TRY(const ModelSource source, open_single_source(config.model));
  TreeNode root = module_tree(*source.file);
  root.name = source.name;
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(Json::object({{"model", config.model}, {"quantised_folder", source.compressed != nullptr},
                                                    {"tree", to_json(root, config.depth > 0 ? config.depth + 1 : 0)}})));
    return 0;
  }
  session.out().text(tree_text(root, config.depth, !config.all));
  if (source.compressed) session.out().text("counts are of what is stored: packed words, scales and zeros; `vauban inspect` counts the model's parameters\n");
  return 0;
}

}  // namespace

Command tree_command() {
  return make_command<TreeConfig>(
      {"tree", "the tensors as a tree of modules: shapes, types, parameters, bytes",
       "Modules are what stands between the dots of the names; each line has the parameters (elements as stored) and bytes of all below it. "
       "Numbered modules that hold the same tensors in shape and type are one line, unless --all. JSON is never folded; --depth cuts both.\n\n"
       "Examples:\n\n"
       "  vauban tree MODEL\n\n"
       "  vauban tree MODEL --depth 2\n\n"
       "  vauban tree model.gguf --all --json"},
      run_tree);
}

}  // namespace vauban
