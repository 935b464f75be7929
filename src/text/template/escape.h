/// HTML escaping as markupsafe does it.
#pragma once

#include <string>
#include <string_view>

namespace vauban::jinja {

std::string escaped(std::string_view text);

}  // namespace vauban::jinja
