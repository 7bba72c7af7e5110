#include "agw/response/listing.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace agw::response {
namespace {

/// A list's member of the result, what names its items, and who asks for it.
struct Kind {
  Listed what;
  std::string_view member;
  std::string_view name;
  std::string_view method;
};
constexpr std::array<Kind, 5> kinds{
    {{Listed::tool, "tools", "name", "tools/list"},
     {Listed::prompt, "prompts", "name", "prompts/list"},
     {Listed::resource, "resources", "uri", "resources/list"},
     {Listed::resource_template, "resourceTemplates", "uriTemplate", "resources/templates/list"},
     {Listed::resource, "skills", "uri", "skills/list"}}};

/// Members under which some reader would find what this one doesn't.
bool has_lookalike(const json::Value& object, const json::Names& names) {
  return !object.lookalike_among(names).empty();
}

/// Names that are acted by, by where they stand.
const json::Names& result_names() {
  static constexpr std::array<std::string_view, 7> keys{"tools",  "prompts", "resources", "resourceTemplates",
                                                        "skills", "ttlMs",   "cacheScope"};
  static const json::Names names(keys);
  return names;
}
const json::Names& item_names() {
  static constexpr std::array<std::string_view, 3> keys{"name", "uri", "uriTemplate"};
  static const json::Names names(keys);
  return names;
}
const json::Names& block_names() {
  static constexpr std::array<std::string_view, 3> keys{"type", "uri", "resource"};
  static const json::Names names(keys);
  return names;
}
const json::Names& content_names() {
  static constexpr std::array<std::string_view, 2> keys{"content", "messages"};
  static const json::Names names(keys);
  return names;
}
const json::Names& completion_names() {
  static constexpr std::array<std::string_view, 3> keys{"completion", "values", "total"};
  static const json::Names names(keys);
  return names;
}

Flaw edit_list(const json::Value& list, const Kind& kind, std::string_view text, const Sight& sight, Splices& splices,
               Count& count) {
  if (!list.is(json::Kind::array)) return "a list isn't an array";
  std::vector<bool> taken;
  taken.reserve(list.size());
  bool any = false;
  for (const json::Value item : list) {
    if (!item.is(json::Kind::object)) return "an item of a list isn't an object";
    if (has_lookalike(item, item_names())) return "an item of a list has a key that looks like its name's";
    const auto name = item.member(kind.name);
    if (!name || !name->is(json::Kind::string) || name->text().empty()) return "an item of a list has no name";
    const bool shown = sight.shows(kind.what, name->text());
    taken.push_back(!shown);
    any = any || !shown;
    ++(shown ? count.shown : count.hidden);
  }
  if (any) remove_elements(list, text, taken, splices);
  return std::nullopt;
}

/// A non-negative number; one beyond every bound where it can't be counted.
std::optional<std::int64_t> milliseconds(const json::Value& value) {
  if (!value.is(json::Kind::number) || value.raw().starts_with('-')) return std::nullopt;
  return value.integer().value_or(std::int64_t{1} << 53);
}

Flaw edit_caching(const json::Value& result, std::string_view text, const Caching& caching, Splices& splices) {
  if (const auto scope = result.member("cacheScope")) {
    if (!scope->is(json::Kind::string)) return "cacheScope isn't a string";
    if (scope->text() != "private") splices.replace(place_of(*scope, text), scope->raw().size(), R"("private")");
  } else if (caching.required) {
    insert_member(result, text, R"("cacheScope":"private")", splices);
  }
  if (const auto ttl = result.member("ttlMs")) {
    const auto given = milliseconds(*ttl);
    if (!given) return "ttlMs isn't a number from 0 on";
    if (*given > caching.most_ms)
      splices.replace(place_of(*ttl, text), ttl->raw().size(), std::to_string(caching.most_ms));
  } else if (caching.required) {
    insert_member(result, text, R"("ttlMs":0)", splices);
  }
  return std::nullopt;
}

/// Whether a content block is, or holds, a resource that isn't shown. A flaw where that can't be told.
struct Look {
  Flaw flaw;
  bool hidden = false;
  bool resource = false;
};

Look look_at(const json::Value& block, const Sight& sight) {
  if (!block.is(json::Kind::object)) return {"a content block isn't an object"};
  if (has_lookalike(block, block_names())) return {"a content block has a key that looks like a known one"};
  const auto type = block.member("type");
  if (!type || !type->is(json::Kind::string)) return {"a content block has no type"};
  std::optional<json::Value> uri;
  if (type->text() == "resource_link") {
    uri = block.member("uri");
  } else if (type->text() == "resource") {
    const auto resource = block.member("resource");
    if (!resource || !resource->is(json::Kind::object)) return {"an embedded resource isn't an object"};
    if (has_lookalike(*resource, block_names())) return {"an embedded resource has a key that looks like a known one"};
    uri = resource->member("uri");
  } else {
    return {};
  }
  if (!uri || !uri->is(json::Kind::string) || uri->text().empty()) return {"a resource has no URI"};
  return {std::nullopt, !sight.shows(Listed::resource, uri->text()), true};
}

/// Elements of which `block(element)` says what they hold.
template <class Block>
Flaw edit_blocks(const json::Value& array, std::string_view text, const Sight& sight, Splices& splices, Count& count,
                 Block block) {
  std::vector<bool> taken;
  taken.reserve(array.size());
  bool any = false;
  for (const json::Value element : array) {
    const std::optional<json::Value> inner = block(element);
    const Look look = inner ? look_at(*inner, sight) : Look{};
    if (look.flaw) return look.flaw;
    taken.push_back(look.hidden);
    any = any || look.hidden;
    if (look.resource) ++(look.hidden ? count.hidden : count.shown);
  }
  if (any) remove_elements(array, text, taken, splices);
  return std::nullopt;
}

constexpr bool is_letter(char c, char lower) { return (c | 0x20) == lower; }

/// Whether `text` ends with `name` without regard to case, behind a quote or whatever else.
bool ends_with_any_case(std::string_view text, std::string_view name) {
  if (text.size() < name.size()) return false;
  return std::ranges::equal(text.substr(text.size() - name.size()), name,
                            [](char a, char b) { return is_letter(a, static_cast<char>(b | 0x20)) || a == b; });
}

struct Telling {
  std::string_view name;  ///< in lower case
  unsigned items;
};
constexpr std::array<Telling, 10> telling{{{"tools", lists},
                                           {"skills", lists},
                                           {"prompts", lists},
                                           {"resources", lists},
                                           {"resourcetemplates", lists},
                                           {"resource_link", links},
                                           {"resource", links},
                                           {"completion", completions},
                                           {"taskid", tasks},
                                           {"taskids", tasks}}};

/// At a closing quote or behind `\u`, or at the last byte of ſ or of the Kelvin sign: is it one that tells?
bool tells(unsigned items, std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c == '"') {
    const std::string_view before = text.substr(0, at);
    return std::ranges::any_of(telling, [&](const Telling& each) {
      return (each.items & items) != 0 && ends_with_any_case(before, each.name);
    });
  }
  if (c == 'u') {
    // An ASCII letter, or one that folds to it, that is written as its number.
    const std::string_view digits = text.substr(at + 1, 4);
    if (digits.size() < 4) return false;
    if (digits.starts_with("00")) return digits[2] >= '4' && digits[2] <= '7';
    return (digits.starts_with("01") && digits[2] == '7') || digits.starts_with("21");
  }
  return true;  // ſ, the Kelvin sign
}

constexpr std::size_t stride = 32;
/// How many bytes before it the longest look at one goes back. No name ends, and no escape is, further at the front.
constexpr std::size_t back = 3;

/// Whether some of `stride` bytes could be one that tells, by it and those before. Without a branch, so that the
/// compiler looks at many of them at once.
bool may_tell(const unsigned char* at) noexcept {
  unsigned char any = 0;
  for (std::size_t i = 0; i < stride; ++i) {
    const unsigned char c = at[i];
    const unsigned char before = *(at + i - 1);
    const unsigned char second = *(at + i - 2);
    const unsigned char last = before | 0x20U;
    const unsigned char lower = second | 0x20U;
    // The ends of the names in `telling`. Few others end so: what streams say most often is looked at no closer.
    const bool many = (last == 's') & ((lower == 'l') | (lower == 't') | (lower == 'e') | (lower == 'd'));
    const bool one =
        ((last == 'e') & (lower == 'c')) | ((last == 'k') & (lower == 'n')) | ((last == 'n') & (lower == 'o'));
    const bool id = (last == 'd') & (lower == 'i') & ((*(at + i - 3) | 0x20U) == 'k');
    const bool name = many | one | id;
    const bool escape = (before == '\\') & (c == 'u');
    const bool folds = ((before == 0xC5U) & (c == 0xBFU)) | ((second == 0xE2U) & (before == 0x84U) & (c == 0xAAU));
    any |= static_cast<unsigned char>(((c == '"') & name) | escape | folds);
  }
  return any != 0;
}

bool any_tells(unsigned items, std::string_view text, std::size_t from, std::size_t to) noexcept {
  for (std::size_t i = from; i < to; ++i) {
    const char c = text[i];
    const char before = text[i - 1];
    const bool candidate = c == '"' || (c == 'u' && before == '\\') || (c == '\xBF' && before == '\xC5') ||
                           (c == '\xAA' && before == '\x84' && i > 1 && text[i - 2] == '\xE2');
    if (candidate && tells(items, text, i)) return true;
  }
  return false;
}

}  // namespace

bool may_hold(unsigned items, std::string_view text) noexcept {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t from = back;
  if (any_tells(items, text, 1, std::min(back, text.size()))) return true;
  for (; from + stride <= text.size(); from += stride)
    if (may_tell(bytes + from) && any_tells(items, text, from, from + stride)) return true;
  return any_tells(items, text, from, text.size());
}

Flaw edit_lists(const json::Value& result, std::string_view text, const Sight& sight, const Caching& caching,
                Splices& splices, Count& count) {
  if (!result.is(json::Kind::object)) return std::nullopt;
  if (has_lookalike(result, result_names())) return "the result has a key that looks like a list's";
  bool lists = false;
  for (const Kind& kind : kinds) {
    const auto list = result.member(kind.member);
    if (!list) continue;
    lists = true;
    if (Flaw flaw = edit_list(*list, kind, text, sight, splices, count)) return flaw;
  }
  return lists ? edit_caching(result, text, caching, splices) : std::nullopt;
}

bool lists_what(std::string_view method, const json::Value& result) noexcept {
  const auto kind = std::ranges::find(kinds, method, &Kind::method);
  if (kind == kinds.end()) return true;
  const auto list = result.member(kind->member);
  return list && list->is(json::Kind::array);
}

Flaw edit_links(const json::Value& result, std::string_view text, const Sight& sight, Splices& splices, Count& count) {
  if (!result.is(json::Kind::object)) return std::nullopt;
  if (has_lookalike(result, content_names())) return "the result has a key that looks like its content's";
  if (const auto content = result.member("content")) {
    if (!content->is(json::Kind::array)) return "content isn't an array";
    const auto itself = [](const json::Value& block) { return std::optional(block); };
    if (Flaw flaw = edit_blocks(*content, text, sight, splices, count, itself)) return flaw;
  }
  const auto messages = result.member("messages");
  if (!messages) return std::nullopt;
  if (!messages->is(json::Kind::array)) return "messages isn't an array";
  for (const json::Value message : *messages)
    if (!message.is(json::Kind::object) || has_lookalike(message, content_names()))
      return "a prompt's message is malformed";
  return edit_blocks(*messages, text, sight, splices, count,
                     [](const json::Value& message) { return message.member("content"); });
}

Flaw edit_completion(const json::Value& result, std::string_view text, const Sight& sight, Splices& splices,
                     Count& count) {
  if (!result.is(json::Kind::object)) return std::nullopt;
  if (has_lookalike(result, completion_names())) return "the result has a key that looks like a completion's";
  const auto completion = result.member("completion");
  if (!completion) return std::nullopt;
  if (!completion->is(json::Kind::object) || has_lookalike(*completion, completion_names()))
    return "a completion is malformed";
  const auto values = completion->member("values");
  if (!values || !values->is(json::Kind::array)) return "a completion has no values";
  std::vector<bool> taken;
  std::uint32_t hidden = 0;
  for (const json::Value value : *values) {
    if (!value.is(json::Kind::string)) return "a completion's value isn't a string";
    const std::string_view name = value.text();
    const bool shown =
        !sight.hides(Listed::tool, name) && !sight.hides(Listed::prompt, name) && !sight.hides(Listed::resource, name);
    taken.push_back(!shown);
    hidden += shown ? 0 : 1;
  }
  count += {static_cast<std::uint32_t>(taken.size()) - hidden, hidden};
  if (hidden == 0) return std::nullopt;
  remove_elements(*values, text, taken, splices);
  if (const auto total = completion->member("total")) {
    const auto given = total->integer();
    if (!given || *given < hidden) return "a completion's total is less than it has";
    splices.replace(place_of(*total, text), total->raw().size(), std::to_string(*given - hidden));
  }
  return std::nullopt;
}

}  // namespace agw::response
