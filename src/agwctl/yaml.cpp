#include "yaml.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include <yaml.h>

#include "agw/base/encoding.h"

namespace agw::agwctl {
namespace {

constexpr int most_levels = 100;
/// In a quoted text YAML 1.1 folds them to a space, where JSON keeps them.
constexpr std::array<std::string_view, 3> odd_line_breaks{"\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"};
constexpr std::size_t most_digits = 15;  // what every reader of JSON holds exactly

struct Refused {
  YamlError error;
};

[[noreturn]] void refuse(const yaml_mark_t& mark, const std::string& message) {
  throw Refused{{static_cast<int>(mark.line) + 1, message}};
}

/// `-?(0|[1-9][0-9]*)`.
bool is_integer(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || text.size() > most_digits || (text.front() == '0' && text.size() > 1)) return false;
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

class Event {
 public:
  explicit Event(yaml_parser_t& parser) {
    if (yaml_parser_parse(&parser, &event_) == 1) return;
    const std::string problem = parser.problem != nullptr ? parser.problem : "can't be read";
    const std::string context = parser.context != nullptr ? std::string(parser.context) + ": " : std::string();
    refuse(parser.problem_mark, "is not valid YAML: " + context + problem +
                                    (context.find("alias") != std::string::npos ? "; write * in quotes" : ""));
  }
  ~Event() { yaml_event_delete(&event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  [[nodiscard]] yaml_event_type_t type() const noexcept { return event_.type; }
  [[nodiscard]] const yaml_mark_t& mark() const noexcept { return event_.start_mark; }
  [[nodiscard]] const yaml_event_t& get() const noexcept { return event_; }
  [[nodiscard]] std::string_view scalar() const noexcept {
    return {reinterpret_cast<const char*>(event_.data.scalar.value), event_.data.scalar.length};
  }

 private:
  yaml_event_t event_{};
};

class Reader {
 public:
  explicit Reader(std::string_view text) {
    if (yaml_parser_initialize(&parser_) != 1) throw std::bad_alloc();
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
  }
  ~Reader() { yaml_parser_delete(&parser_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Yaml read() {
    static_cast<void>(Event(parser_));  // the stream begins
    {
      const Event begin(parser_);
      if (begin.type() != YAML_DOCUMENT_START_EVENT) refuse(begin.mark(), "is empty");
    }
    value(Event(parser_), "", 0);
    static_cast<void>(Event(parser_));  // the document ends
    const Event end(parser_);
    if (end.type() != YAML_STREAM_END_EVENT) refuse(end.mark(), "has a second document; write one only");
    return std::move(out_);
  }

 private:
  void value(const Event& event, const std::string& path, int level) {
    if (level > most_levels) refuse(event.mark(), "is nested too deep");
    out_.lines.emplace(path, static_cast<int>(event.mark().line) + 1);
    switch (event.type()) {
      case YAML_SCALAR_EVENT: scalar(event); return;
      case YAML_SEQUENCE_START_EVENT: {
        const auto& start = event.get().data.sequence_start;
        expect_plain(event, start.anchor, start.tag);
        sequence(path, level);
        return;
      }
      case YAML_MAPPING_START_EVENT: {
        const auto& start = event.get().data.mapping_start;
        expect_plain(event, start.anchor, start.tag);
        mapping(path, level);
        return;
      }
      case YAML_ALIAS_EVENT: refuse(event.mark(), "has an alias; write out what it stands for, or * in quotes");
      default: refuse(event.mark(), "is not what can stand here");
    }
  }

  static void expect_plain(const Event& event, const yaml_char_t* anchor, const yaml_char_t* tag) {
    if (anchor != nullptr) refuse(event.mark(), "has an anchor; write out what it stands for");
    if (tag != nullptr) refuse(event.mark(), "has a tag; leave it out, write text in quotes");
  }

  /// As JSON's readers here, which take no NUL either.
  static std::string_view text_of(const Event& event) {
    const std::string_view text = event.scalar();
    if (text.find('\0') != std::string_view::npos) refuse(event.mark(), "holds a NUL character");
    return text;
  }

  void scalar(const Event& event) {
    const auto& data = event.get().data.scalar;
    expect_plain(event, data.anchor, data.tag);
    const std::string_view text = text_of(event);
    const bool plain = data.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && (text.empty() || text == "~" || text == "null"))
      out_.json += "null";
    else if (plain && (text == "true" || text == "false" || is_integer(text)))
      out_.json += text;
    else
      out_.json += json_quoted(text);
  }

  void sequence(const std::string& path, int level) {
    out_.json += '[';
    for (std::size_t i = 0;; ++i) {
      const Event item(parser_);
      if (item.type() == YAML_SEQUENCE_END_EVENT) break;
      if (i > 0) out_.json += ',';
      value(item, path + "[" + std::to_string(i) + "]", level + 1);
    }
    out_.json += ']';
  }

  void mapping(const std::string& path, int level) {
    out_.json += '{';
    std::set<std::string, std::less<>> seen;
    while (true) {
      const Event key(parser_);
      if (key.type() == YAML_MAPPING_END_EVENT) break;
      if (key.type() != YAML_SCALAR_EVENT) refuse(key.mark(), "has a key that is no text; write * in quotes");
      expect_plain(key, key.get().data.scalar.anchor, key.get().data.scalar.tag);
      const auto [name, fresh] = seen.emplace(text_of(key));
      if (!fresh) refuse(key.mark(), "has the key \"" + *name + "\" twice");
      if (seen.size() > 1) out_.json += ',';
      out_.json += json_quoted(*name) + ":";
      const std::string below = path.empty() ? *name : path + "." + *name;
      out_.lines.emplace(below, static_cast<int>(key.mark().line) + 1);
      value(Event(parser_), below, level + 1);
    }
    out_.json += '}';
  }

  yaml_parser_t parser_{};
  Yaml out_;
};

}  // namespace

Result<Yaml, YamlError> read_yaml(std::string_view text) {
  if (!is_utf8(text)) return fail(YamlError{0, "is not valid UTF-8"});
  for (const std::string_view odd : odd_line_breaks) {
    const std::size_t at = text.find(odd);
    if (at == std::string_view::npos) continue;
    const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
    return fail(YamlError{static_cast<int>(line),
                          "holds a line break that only YAML takes for one (U+0085, U+2028, "
                          "U+2029); write it as an escape"});
  }
  try {
    return Reader(text).read();
  } catch (Refused& refused) {
    return fail(std::move(refused.error));
  }
}

int line_of(const Lines& lines, std::string_view path) {
  // What stands behind a blank is said for people: `grants (agent:company|docs)`.
  path = path.substr(0, path.find(' '));
  while (true) {
    if (const auto found = lines.find(path); found != lines.end()) return found->second;
    const std::size_t end = path.find_last_of(".[");
    if (end == std::string_view::npos) return 0;
    path = path.substr(0, end);
  }
}

bool is_yaml_name(std::string_view path) noexcept { return path.ends_with(".yaml") || path.ends_with(".yml"); }

}  // namespace agw::agwctl
