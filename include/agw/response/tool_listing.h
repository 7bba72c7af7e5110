// The answer of a tool that lists other tools ("search tools"), as far as its caller may see them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agw/json/document.h"
#include "agw/response/listing.h"
#include "agw/response/splices.h"

namespace agw::response {

/// Where such an answer has its list, as the tool's block says.
struct ToolListing {
  /// What the text blocks of `content` hold, each of them.
  enum class Text : std::uint8_t {
    same,  ///< JSON with the list at the same place as in `structuredContent` (MCP 2025-06-18, "Structured Content")
    array,  ///< the list itself
    items,  ///< one element; of a list of bare names the name as it is
  };
  /// Members from `structuredContent` on; empty: it is the list.
  std::vector<std::string> list;
  /// Members from an element on; empty: the element is the name.
  std::vector<std::string> name;
  Text text = Text::same;
  bool errors_pass = false;  ///< results with isError may hold anything else
};

/// How much is known of a result.
enum class Certainty : std::uint8_t {
  own,  ///< it answers a call of this very tool: what isn't as declared is a flaw
  by_form,  ///< it may be any tool's: what has the form is taken for it, the rest is left
};

/// Down to which depth of a message with such a result keys are acted by.
[[nodiscard]] unsigned acted_depth(const ToolListing& listing) noexcept;

/// Takes out of a result's `structuredContent` and `content` what isn't shown. What stays, also within the text blocks,
/// has its own bytes. `result` was read from `text`; `inner` is another document, for what texts hold. Work is linear
/// in `text`.
[[nodiscard]] Flaw edit_tool_listing(const json::Value& result, std::string_view text, const ToolListing& listing,
                                     Certainty certainty, json::Document& inner, const Sight& sight, Splices& splices,
                                     Count& count);

}  // namespace agw::response
