#include "agw/response/tool_listing.h"

#include <algorithm>
#include <array>
#include <optional>

#include "agw/base/result.h"
#include "agw/json/escapes.h"

namespace agw::response {
namespace {

using Path = std::vector<std::string>;

/// A list within a result, or within a text of it, and which of its elements go.
struct Sifted {
  std::optional<json::Value> list;
  std::vector<bool> taken;
  Count count;
};
/// Why it isn't what was declared.
template <class T>
using Found = Result<T, std::string_view>;

const json::Names& result_names() {
  static constexpr std::array<std::string_view, 4> keys{"content", "structuredContent", "isError", "resultType"};
  static const json::Names names(keys);
  return names;
}
const json::Names& block_names() {
  static constexpr std::array<std::string_view, 2> keys{"type", "text"};
  static const json::Names names(keys);
  return names;
}

/// No reader finds another value there.
std::optional<json::Value> value_at(json::Value here, const Path& path) {
  for (const std::string& part : path) {
    if (!here.is(json::Kind::object) || here.has_lookalike_of(part)) return std::nullopt;
    const auto next = here.member(part);
    if (!next) return std::nullopt;
    here = *next;
  }
  return here;
}

bool text_is(const std::optional<json::Value>& value, std::string_view wanted) {
  return value && value->is(json::Kind::string) && value->text() == wanted;
}

class Editing {
 public:
  Editing(std::string_view text, const ToolListing& listing, Certainty certainty, json::Document& inner,
          const Sight& sight, Splices& splices)
      : text_(text), listing_(listing), certainty_(certainty), inner_(inner), sight_(sight), splices_(splices) {}

  Flaw edit(const json::Value& result, Count& count);

 private:
  /// Nothing where it may be another tool's.
  [[nodiscard]] Flaw unless_other(std::string_view flaw) const {
    return certainty_ == Certainty::own ? Flaw(flaw) : std::nullopt;
  }
  [[nodiscard]] bool shows_name(std::string_view name) const;
  [[nodiscard]] Found<bool> shows(const json::Value& element) const;
  [[nodiscard]] Found<Sifted> sift(const json::Value& root, const Path& path) const;
  Flaw edit_structured(const json::Value& structured);
  Flaw edit_content(const json::Value& content);
  Flaw edit_text(const json::Value& block_text);
  [[nodiscard]] Found<bool> shows_item(std::string_view item);
  [[nodiscard]] json::Limits inner_limits() const;

  std::string_view text_;
  const ToolListing& listing_;
  Certainty certainty_;
  json::Document& inner_;
  const Sight& sight_;
  Splices& splices_;
  Count structured_;
  Count content_;
};

bool Editing::shows_name(std::string_view name) const {
  // Any text of any tool's could be a bare name.
  if (certainty_ == Certainty::by_form && listing_.name.empty()) return !sight_.hides(Listed::tool, name);
  return sight_.shows(Listed::tool, name);
}

Found<bool> Editing::shows(const json::Value& element) const {
  const auto name = value_at(element, listing_.name);
  const bool named = name && name->is(json::Kind::string) && !name->text().empty();
  if (named) return shows_name(name->text());
  if (certainty_ == Certainty::own) return fail("an element of its list has no name where it is declared");
  return true;
}

Found<Sifted> Editing::sift(const json::Value& root, const Path& path) const {
  Sifted out;
  out.list = value_at(root, path);
  if (!out.list || !out.list->is(json::Kind::array)) return fail("it has no list where one is declared");
  out.taken.reserve(out.list->size());
  for (const json::Value element : *out.list) {
    const auto shown = shows(element);
    if (!shown) return fail(shown.error());
    out.taken.push_back(!*shown);
    ++(*shown ? out.count.shown : out.count.hidden);
  }
  return out;
}

Flaw Editing::edit_structured(const json::Value& structured) {
  const auto sifted = sift(structured, listing_.list);
  if (!sifted) return unless_other(sifted.error());
  if (sifted->count.hidden > 0) remove_elements(*sifted->list, text_, sifted->taken, splices_);
  structured_ += sifted->count;
  return std::nullopt;
}

json::Limits Editing::inner_limits() const {
  json::Limits limits;
  limits.max_bytes = text_.size();
  limits.max_nodes = text_.size();
  const std::size_t list = listing_.text == ToolListing::Text::same    ? listing_.list.size() + 1
                           : listing_.text == ToolListing::Text::array ? 1
                                                                       : 0;
  limits.keys_depth = static_cast<unsigned>(list + listing_.name.size());
  limits.any_values = true;
  return limits;
}

/// A text that is JSON with a list in it: what goes is taken out of the text's own bytes, escapes and all.
Flaw Editing::edit_text(const json::Value& block_text) {
  const std::string_view own = block_text.text();
  const auto root = inner_.read(own, inner_limits());
  if (!root) return unless_other("a text of its content isn't JSON");
  const auto sifted = sift(*root, listing_.text == ToolListing::Text::array ? Path() : listing_.list);
  if (!sifted) return unless_other(sifted.error());
  content_ += sifted->count;
  if (sifted->count.hidden == 0) return std::nullopt;
  std::vector<std::size_t> places;
  for (const Range& range : ranges_of(*sifted->list, own, sifted->taken)) {
    places.push_back(range.at);
    places.push_back(range.at + range.size);
  }
  const auto raw = json::raw_places(block_text.raw(), places);
  if (raw.size() != places.size()) return "a text of its content can't be edited";
  const std::size_t begin = place_of(block_text, text_);
  for (std::size_t i = 0; i < raw.size(); i += 2) splices_.remove(begin + raw[i], raw[i + 1] - raw[i]);
  return std::nullopt;
}

Found<bool> Editing::shows_item(std::string_view item) {
  if (listing_.name.empty()) {
    if (certainty_ == Certainty::own && item.empty()) return fail("a text of its content is no name");
    return item.empty() || shows_name(item);
  }
  const auto root = inner_.read(item, inner_limits());
  if (!root && certainty_ == Certainty::own) return fail("a text of its content isn't JSON");
  return root ? shows(*root) : Found<bool>(true);
}

Flaw Editing::edit_content(const json::Value& content) {
  if (!content.is(json::Kind::array)) return unless_other("its content isn't an array");
  const bool by_block = listing_.text == ToolListing::Text::items;
  std::vector<bool> taken;
  Count blocks;
  for (const json::Value block : content) {
    const bool readable = block.is(json::Kind::object) && block.lookalike_among(block_names()).empty();
    const auto text = readable && text_is(block.member("type"), "text") ? block.member("text") : std::nullopt;
    bool shown = true;
    if (!text || !text->is(json::Kind::string)) {
      if (auto flaw = unless_other("its content has something else than texts")) return flaw;
    } else if (by_block) {
      const auto found = shows_item(text->text());
      if (!found) return found.error();
      shown = *found;
    } else if (auto flaw = edit_text(*text)) {
      return flaw;
    }
    taken.push_back(!shown);
    ++(shown ? blocks.shown : blocks.hidden);
  }
  if (!by_block) return std::nullopt;
  if (blocks.hidden > 0) remove_elements(content, text_, taken, splices_);
  content_ += blocks;
  return std::nullopt;
}

Flaw Editing::edit(const json::Value& result, Count& count) {
  if (!result.is(json::Kind::object)) return unless_other("its result isn't an object");
  if (!result.lookalike_among(result_names()).empty())
    return unless_other("its result has a key that looks like a known one");
  const auto structured = result.member("structuredContent");
  const auto content = result.member("content");
  const bool asks = text_is(result.member("resultType"), "input_required");
  if (!structured && !content && asks) return std::nullopt;
  const auto error = result.member("isError");
  if (listing_.errors_pass && error && error->boolean() == true) certainty_ = Certainty::by_form;
  const bool lists = structured || (content && (content->size() > 0 || listing_.text == ToolListing::Text::items));
  if (!lists)
    if (auto flaw = unless_other("its result lists nothing")) return flaw;
  if (structured)
    if (auto flaw = edit_structured(*structured)) return flaw;
  if (content)
    if (auto flaw = edit_content(*content)) return flaw;
  // Both say the same.
  count += structured ? structured_ : content_;
  return std::nullopt;
}

}  // namespace

unsigned acted_depth(const ToolListing& listing) noexcept {
  constexpr std::size_t structured = 3;  // envelope, result, structuredContent
  constexpr std::size_t block = 4;       // envelope, result, content, block
  return static_cast<unsigned>(std::max(structured + listing.list.size() + listing.name.size(), block));
}

Flaw edit_tool_listing(const json::Value& result, std::string_view text, const ToolListing& listing,
                       Certainty certainty, json::Document& inner, const Sight& sight, Splices& splices, Count& count) {
  return Editing(text, listing, certainty, inner, sight, splices).edit(result, count);
}

}  // namespace agw::response
