/// Two models compared: configuration, tokenizer, chat template, and every tensor that both have.
#pragma once

#include <string>

#include "app/diff/diff_config.h"
#include "app/session.h"
#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// Whether A and B both name models: folders with config.json, .gguf files, or embedded models.
bool names_models(const DiffConfig& config);

/// Keys `kind` ("models"), `config`, `tokenizer`, `template`, `tensors`, `unpaired`, `summary`, and `metrics` (empty: weights alone give
/// no behaviour). Tensors are paired by canonical name and order whatever the containers; those of one side alone are listed and never guessed at.
/// Errors: those of opening; unsupported for models with adapters, or of two architectures whose tensors share no name.
Result<Json> diff_models(const DiffConfig& config, Session& session);

std::string render_model_diff(const Json& report);

}  // namespace vauban
