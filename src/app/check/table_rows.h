/// Rows of a table of tokens: finite, and not dead.
#pragma once

#include <string>

#include "app/check/stage.h"
#include "app/check/subject.h"

namespace vauban {

/// Canonical name of the embedding or the head; empty where the map has none.
std::string table_name(const CheckSubject& subject, TensorRole role);
void test_table_rows(CheckSubject& subject, const std::string& name, Findings& findings);

}  // namespace vauban
