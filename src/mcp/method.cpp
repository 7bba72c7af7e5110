#include "method.h"

#include <array>

namespace agw::mcp {
namespace {

enum class Eras : std::uint8_t { legacy, modern, both };

struct Method {
  std::string_view name;
  Category category;
  Eras eras;
};

/// completion/complete, resources/subscribe and tasks/… are absent: they name or return what only
/// a grant may open, and nothing judges them yet.
constexpr std::array methods{
    Method{"tools/call", Category::tool, Eras::both},
    Method{"tools/list", Category::list, Eras::both},
    Method{"prompts/get", Category::prompt, Eras::both},
    Method{"prompts/list", Category::list, Eras::both},
    Method{"resources/read", Category::resource, Eras::both},
    Method{"resources/list", Category::list, Eras::both},
    Method{"resources/templates/list", Category::list, Eras::both},
    Method{"initialize", Category::session, Eras::legacy},
    Method{"ping", Category::session, Eras::legacy},
    Method{"logging/setLevel", Category::session, Eras::legacy},
    Method{"server/discover", Category::session, Eras::modern},
    Method{"subscriptions/listen", Category::session, Eras::modern},
    Method{"notifications/initialized", Category::notify, Eras::legacy},
    Method{"notifications/cancelled", Category::notify, Eras::both},
    Method{"notifications/progress", Category::notify, Eras::both},
    Method{"notifications/roots/list_changed", Category::notify, Eras::both},
    Method{"notifications/tasks/status", Category::notify, Eras::legacy},
};

}  // namespace

Category category_of(std::string_view method, Era era) noexcept {
  const Eras own = era == Era::modern ? Eras::modern : Eras::legacy;
  for (const Method& known : methods)
    if (known.name == method) return known.eras == Eras::both || known.eras == own ? known.category : Category::unknown;
  return Category::unknown;
}

}  // namespace agw::mcp
