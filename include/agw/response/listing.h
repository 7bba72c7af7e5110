// What a server offers, as far as its caller may see it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "agw/json/document.h"
#include "agw/response/splices.h"

namespace agw::response {

/// What an item of a list is.
enum class Listed : std::uint8_t { tool, prompt, resource, resource_template };

/// Who looks: the same answer that a call of it would be judged by.
class Sight {
 public:
  virtual ~Sight() = default;
  /// Whether it stands in a list: by name, URI or URI template.
  [[nodiscard]] virtual bool shows(Listed what, std::string_view name) const = 0;
  /// Whether a text is the name of something that exists and isn't shown.
  [[nodiscard]] virtual bool hides(Listed what, std::string_view name) const = 0;
};

/// How many items were looked at.
struct Count {
  std::uint32_t shown = 0;
  std::uint32_t hidden = 0;
  Count& operator+=(const Count& other) noexcept {
    shown += other.shown;
    hidden += other.hidden;
    return *this;
  }
};

/// For people: what is wrong with an answer; a literal.
using Flaw = std::optional<std::string_view>;

/// What may be looked for in a message.
enum Items : unsigned { lists = 1U, links = 2U, completions = 4U, tasks = 8U };

/// Whether some reader could find such items in a text: their members' names, also in other case or hidden by escapes.
/// One pass, without reading it as JSON. False is certain.
[[nodiscard]] bool may_hold(unsigned items, std::string_view text) noexcept;

/// How long what a list says may be believed, where its version has that (MCP 2026-07-28, "Caching").
struct Caching {
  bool required = false;      ///< the version needs both members: those that are missing are put in
  std::int64_t most_ms = 0;
};

/// Of a result that lists tools, prompts, resources or resource templates, told by its members: takes out what isn't
/// shown, and makes it private and short-lived to caches. `text` is what the result was read from. A list that isn't an
/// array of objects with a name each, or that some reader would find elsewhere, is a flaw: then nothing of it may go
/// on.
[[nodiscard]] Flaw edit_lists(const json::Value& result, std::string_view text, const Sight& sight,
                              const Caching& caching, Splices& splices, Count& count);

/// Whether it has the array that an answer to this method must have; true for methods that list nothing.
[[nodiscard]] bool lists_what(std::string_view method, const json::Value& result) noexcept;

/// Of a tool's or a prompt's result: takes out links to resources, and embedded ones, that aren't shown.
[[nodiscard]] Flaw edit_links(const json::Value& result, std::string_view text, const Sight& sight, Splices& splices,
                              Count& count);

/// Of a completion: takes out values that are names of tools, prompts or resources which aren't shown.
[[nodiscard]] Flaw edit_completion(const json::Value& result, std::string_view text, const Sight& sight,
                                   Splices& splices, Count& count);

}  // namespace agw::response
