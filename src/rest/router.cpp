#include "agw/rest/router.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "agw/base/digest.h"

namespace agw::rest {
namespace {

constexpr std::size_t max_segments = 64;

bool is_name(std::string_view segment) { return segment.size() > 2 && segment.front() == '<' && segment.back() == '>'; }

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_name_byte(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

TemplateError error(std::string message) { return {std::move(message)}; }

/// Segments after the leading slash; `/` is one empty segment.
std::optional<std::vector<std::string_view>> split(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  std::vector<std::string_view> out;
  path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (out.size() > max_segments) return std::nullopt;
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

Result<Template, TemplateError> parse_template(std::string_view method, std::string_view path) {
  if (!is_token(method)) return fail(error("the method must be in capitals, for example GET"));
  if (method == "HEAD") return fail(error("HEAD is covered by GET: write GET"));
  if (!path.starts_with('/')) return fail(error("the path must start with \"/\""));
  if (path.find_first_of("{}") != std::string_view::npos) return fail(error("write a name as <id>, not {id}"));
  if (path.find_first_of("?#") != std::string_view::npos)
    return fail(error("the path must have no query; name a query parameter as <query/x> in \"resource\""));
  if (path.find('%') != std::string_view::npos) return fail(error("write the path decoded, without %XX"));
  const auto segments = split(path);
  if (!segments) return fail(error("the path has too many segments"));
  Template out;
  out.method = method;
  for (std::size_t i = 0; i < segments->size(); ++i) {
    const std::string_view segment = (*segments)[i];
    if (segment.empty() && i + 1 < segments->size()) return fail(error("the path has an empty segment"));
    if (segment == "." || segment == "..") return fail(error("the path must not hold \".\" or \"..\" segments"));
    const bool brackets = segment.find_first_of("<>*") != std::string_view::npos;
    if (is_name(segment)) {
      const std::string_view name = segment.substr(1, segment.size() - 2);
      if (!std::all_of(name.begin(), name.end(), is_name_byte)) return fail(error("a name has letters, digits, \"_\", \"-\" and \".\" only"));
      if (std::find(out.segments.begin(), out.segments.end(), segment) != out.segments.end())
        return fail(error("the name " + std::string(segment) + " stands twice"));
    } else if (brackets) {
      return fail(error("a name must be a whole segment, as in /tickets/<id>"));
    }
    out.segments.emplace_back(segment);
  }
  return out;
}

struct Router::Node {
  std::unordered_map<std::string, std::unique_ptr<Node>, StringHash, std::equal_to<>> literals;
  std::unique_ptr<Node> any;
  struct End {
    std::uint32_t index = 0;
    std::vector<std::string> names;
  };
  std::map<std::string, End, std::less<>> ends;  // by method

  /// Depth first, a literal before a name. `steps` bounds what a path of many segments may cost.
  template <class Found>
  bool find(const std::vector<std::string_view>& path, std::size_t at, unsigned& steps, Found&& found) const {
    if (steps == 0) return false;
    --steps;
    if (at == path.size()) return found(*this);
    if (auto it = literals.find(path[at]); it != literals.end() && it->second->find(path, at + 1, steps, found)) return true;
    return any && !path[at].empty() && any->find(path, at + 1, steps, found);
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
    std::unique_ptr<Node>* next = nullptr;
    if (is_name(segment)) {
      next = &here->any;
      end.names.push_back(segment.substr(1, segment.size() - 2));
    } else {
      next = &here->literals[segment];
    }
    if (!*next) *next = std::make_unique<Node>();
    here = next->get();
  }
  if (here->ends.contains(item.method)) return fail(error("another operation has the same method and path"));
  end.index = count_;
  here->ends.emplace(item.method, std::move(end));
  return count_++;
}

namespace {
/// Enough for every sensible set of templates; beyond it the path matches nothing.
constexpr unsigned max_steps = 4096;
}  // namespace

std::optional<Match> Router::match(std::string_view method, std::string_view path) const {
  const auto segments = split(path);
  if (!segments) return std::nullopt;
  const std::string_view wanted = method == "HEAD" ? std::string_view("GET") : method;
  const Node::End* hit = nullptr;
  const Node* last = nullptr;
  unsigned steps = max_steps;
  root_->find(*segments, 0, steps, [&](const Node& node) {
    const auto end = node.ends.find(wanted);
    if (end == node.ends.end()) return false;
    hit = &end->second;
    last = &node;
    return true;
  });
  if (hit == nullptr) return std::nullopt;
  // The same walk again, noting what the names stood for.
  Match out;
  out.index = hit->index;
  std::vector<std::string_view> values;
  const auto collect = [&](auto&& self, const Node& node, std::size_t at) -> bool {
    if (at == segments->size()) return &node == last;
    if (auto it = node.literals.find((*segments)[at]); it != node.literals.end() && self(self, *it->second, at + 1)) return true;
    if (!node.any || (*segments)[at].empty()) return false;
    values.push_back((*segments)[at]);
    if (self(self, *node.any, at + 1)) return true;
    values.pop_back();
    return false;
  };
  collect(collect, *root_, 0);
  for (std::size_t i = 0; i < hit->names.size() && i < values.size(); ++i) out.captures.push_back({hit->names[i], values[i]});
  return out;
}

bool Router::path_known(std::string_view path) const {
  const auto segments = split(path);
  if (!segments) return false;
  unsigned steps = max_steps;
  return root_->find(*segments, 0, steps, [](const Node& node) { return !node.ends.empty(); });
}

}  // namespace agw::rest
