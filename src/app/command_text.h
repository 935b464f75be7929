/// A command as a shell would read it back.
#pragma once

#include <string>
#include <vector>

namespace vauban {

/// Words with spaces or other characters that a shell would act on are put into single quotes.
std::string command_text(const std::vector<std::string>& words);

}  // namespace vauban
