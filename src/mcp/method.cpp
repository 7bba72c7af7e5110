#include "method.h"

#include <array>

namespace agw::mcp {
namespace {

enum class Eras : std::uint8_t { legacy, modern, both };

struct Row {
  Method method;
  Eras eras;
};

constexpr std::array rows{
    Row{{"tools/call", "mcp.tools.call", Category::tool}, Eras::both},
    Row{{"tools/list", "mcp.tools.list", Category::list}, Eras::both},
    Row{{"prompts/get", "mcp.prompts.get", Category::prompt}, Eras::both},
    Row{{"prompts/list", "mcp.prompts.list", Category::list}, Eras::both},
    Row{{"resources/read", "mcp.resources.read", Category::resource}, Eras::both},
    Row{{"resources/list", "mcp.resources.list", Category::list}, Eras::both},
    Row{{"resources/templates/list", "mcp.resources.templates.list", Category::list}, Eras::both},
    Row{{"completion/complete", "mcp.completion.complete", Category::completion}, Eras::both},
    Row{{"resources/subscribe", "mcp.resources.subscribe", Category::subscribe}, Eras::legacy},
    Row{{"resources/unsubscribe", "mcp.resources.unsubscribe", Category::subscribe}, Eras::legacy},
    // Extension io.modelcontextprotocol/skills (SEP-2640): skills and folders are resources, which no header repeats.
    Row{{"skills/list", "mcp.skills.list", Category::list}, Eras::both},
    Row{{"skills/get", "mcp.skills.get", Category::subscribe}, Eras::both},
    Row{{"resources/directory/read", "mcp.resources.directory.read", Category::subscribe}, Eras::both},
    Row{{"tasks/get", "mcp.tasks.get", Category::task}, Eras::both},
    Row{{"tasks/cancel", "mcp.tasks.cancel", Category::task}, Eras::both},
    Row{{"tasks/result", "mcp.tasks.result", Category::task}, Eras::legacy},
    Row{{"tasks/list", "mcp.tasks.list", Category::task}, Eras::legacy},
    Row{{"tasks/update", "mcp.tasks.update", Category::task}, Eras::modern},
    Row{{"initialize", "mcp.initialize", Category::session}, Eras::legacy},
    Row{{"ping", "mcp.ping", Category::session}, Eras::legacy},
    Row{{"logging/setLevel", "mcp.logging.setLevel", Category::session}, Eras::legacy},
    Row{{"server/discover", "mcp.server.discover", Category::session}, Eras::modern},
    Row{{"subscriptions/listen", "mcp.subscriptions.listen", Category::session}, Eras::modern},
    Row{{"notifications/initialized", "mcp.notifications.initialized", Category::notify}, Eras::legacy},
    Row{{"notifications/cancelled", "mcp.notifications.cancelled", Category::notify}, Eras::both},
    Row{{"notifications/progress", "mcp.notifications.progress", Category::notify}, Eras::both},
    Row{{"notifications/roots/list_changed", "mcp.notifications.roots.list_changed", Category::notify}, Eras::both},
    Row{{"notifications/tasks/status", "mcp.notifications.tasks.status", Category::notify}, Eras::legacy},
};

}  // namespace

const Method* find_method(std::string_view name, Era era) noexcept {
  const Eras own = era == Era::modern ? Eras::modern : Eras::legacy;
  for (const Row& row : rows)
    if (row.method.name == name) return row.eras == Eras::both || row.eras == own ? &row.method : nullptr;
  return nullptr;
}

}  // namespace agw::mcp
