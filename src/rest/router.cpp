#include "agw/rest/router.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "agw/base/digest.h"
#include "agw/base/encoding.h"

namespace agw::rest {
namespace {

/// Also the depth of every walk through the tree.
constexpr std::size_t max_segments = 64;

bool is_name(std::string_view segment) { return segment.size() > 2 && segment.front() == '<' && segment.back() == '>'; }

bool is_method(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
}

bool is_name_byte(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

using Problem = std::optional<TemplateError>;

Problem problem(std::string message) { return TemplateError{std::move(message)}; }

/// Segments after the leading slash; `/` is one empty segment.
std::optional<std::vector<std::string_view>> split(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  std::vector<std::string_view> out;
  out.reserve(8);
  path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (out.size() > max_segments) return std::nullopt;
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

Problem check_path(std::string_view path) {
  if (!path.starts_with('/')) return problem("the path must start with \"/\"");
  if (path.find_first_of("{}") != std::string_view::npos) return problem("write a name as <id>, not {id}");
  if (path.find_first_of("?#") != std::string_view::npos)
    return problem("the path must have no query; name a query parameter as <query/x> in \"resource\"");
  if (path.find('%') != std::string_view::npos) return problem("write the path decoded, without %XX");
  const auto refused = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\' || c == ';';
  };
  if (std::any_of(path.begin(), path.end(), refused) || !is_utf8(path))
    return problem("the path must hold no control character, backslash or \";\": no request with one is judged");
  return std::nullopt;
}

Problem check_segment(std::string_view segment, const std::vector<std::string>& earlier) {
  if (segment == "." || segment == "..") return problem("the path must not hold \".\" or \"..\" segments");
  if (segment.starts_with(':'))
    return problem("write a name as <" + std::string(segment.substr(1)) + ">, not " + std::string(segment));
  if (!is_name(segment)) {
    if (segment.find_first_of("<>") != std::string_view::npos)
      return problem("a name must be a whole segment, as in /tickets/<id>");
    if (segment.find('*') != std::string_view::npos)
      return problem("there are no wildcards; a whole segment can be a name, as in /tickets/<id>");
    return std::nullopt;
  }
  const std::string_view name = segment.substr(1, segment.size() - 2);
  if (!std::all_of(name.begin(), name.end(), is_name_byte))
    return problem("a name has letters, digits, \"_\", \"-\" and \".\" only");
  if (std::find(earlier.begin(), earlier.end(), segment) != earlier.end())
    return problem("the name " + std::string(segment) + " stands twice");
  return std::nullopt;
}

}  // namespace

Result<Template, TemplateError> parse_template(std::string_view method, std::string_view path) {
  if (!is_method(method)) return fail(TemplateError{"the method must be in capitals, for example GET"});
  if (method == "HEAD") return fail(TemplateError{"HEAD is covered by GET: write GET"});
  if (auto wrong = check_path(path)) return fail(std::move(*wrong));
  const auto segments = split(path);
  if (!segments) return fail(TemplateError{"the path has too many segments"});
  Template out;
  out.method = method;
  for (std::size_t i = 0; i < segments->size(); ++i) {
    const std::string_view segment = (*segments)[i];
    if (segment.empty() && i + 1 < segments->size()) return fail(TemplateError{"the path has an empty segment"});
    if (auto wrong = check_segment(segment, out.segments)) return fail(std::move(*wrong));
    out.segments.emplace_back(segment);
  }
  return out;
}

struct Router::Node {
  struct End {
    std::uint32_t index = 0;
    std::vector<std::string> names;
  };
  std::unordered_map<std::string, std::unique_ptr<Node>, StringHash, std::equal_to<>> literals;
  std::unique_ptr<Node> named;
  std::map<std::string, End, std::less<>> ends;  ///< by method

  /// Depth first, a literal before a name; `values` gets what the names stand for. A node lies on
  /// one path from the root only, so none is visited twice.
  template <class Accept>
  const Node* find(const std::vector<std::string_view>& path, std::size_t at, std::vector<std::string_view>& values,
                   const Accept& accept) const {
    if (at == path.size()) return accept(*this) ? this : nullptr;
    if (const auto literal = literals.find(path[at]); literal != literals.end())
      if (const Node* end = literal->second->find(path, at + 1, values, accept)) return end;
    // What a name stands for is never empty: `/tickets/` isn't a ticket.
    if (!named || path[at].empty()) return nullptr;
    values.push_back(path[at]);
    if (const Node* end = named->find(path, at + 1, values, accept)) return end;
    values.pop_back();
    return nullptr;
  }
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

Result<std::uint32_t, TemplateError> Router::add(const Template& item) {
  Node* here = root_.get();
  Node::End end;
  for (const std::string& segment : item.segments) {
    if (is_name(segment)) end.names.push_back(segment.substr(1, segment.size() - 2));
    auto& next = is_name(segment) ? here->named : here->literals[segment];
    if (!next) next = std::make_unique<Node>();
    here = next.get();
  }
  if (here->ends.contains(item.method)) return fail(TemplateError{"another operation has the same method and path"});
  end.index = count_;
  here->ends.emplace(item.method, std::move(end));
  return count_++;
}

std::optional<Match> Router::match(std::string_view method, std::string_view path) const {
  const auto segments = split(path);
  if (!segments) return std::nullopt;
  const std::string_view wanted = method == "HEAD" ? std::string_view("GET") : method;
  std::vector<std::string_view> values;
  const Node* node = root_->find(*segments, 0, values, [wanted](const Node& end) { return end.ends.contains(wanted); });
  if (node == nullptr) return std::nullopt;
  const Node::End& end = node->ends.find(wanted)->second;
  Match out;
  out.index = end.index;
  out.captures.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) out.captures.push_back({end.names[i], values[i]});
  return out;
}

bool Router::path_known(std::string_view path) const {
  const auto segments = split(path);
  if (!segments) return false;
  std::vector<std::string_view> values;
  return root_->find(*segments, 0, values, [](const Node& end) { return !end.ends.empty(); }) != nullptr;
}

}  // namespace agw::rest
