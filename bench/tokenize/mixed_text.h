/// Text for the tokenizer bench: English from files, with sentences in other scripts, code and numbers mixed in.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace vauban::bench {

/// Documents of about `document_bytes`, together about `total_bytes`; the same for the same arguments on every machine.
/// `english`: texts that are cut into paragraphs, in turn and from the beginning again at their end.
std::vector<std::string> mixed_text(const std::vector<std::string>& english, std::size_t total_bytes,
                                    std::size_t document_bytes);

}  // namespace vauban::bench
