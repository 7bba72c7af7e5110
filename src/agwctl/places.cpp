#include "places.h"

#include "agw/json/tree.h"

#include "policy_error.h"

namespace agw::agwctl {
namespace {

std::string text_of(const json_t* object, const char* key) {
  const char* value = json_string_value(json_object_get(object, key));
  return value == nullptr ? "" : value;
}

template <class Visit>
void each_member(json_t* object, Visit&& visit) {
  const char* key = nullptr;
  json_t* value = nullptr;
  json_object_foreach(object, key, value) visit(std::string(key), value);
}

}  // namespace

Places::Places(const std::string& file) {
  const Yaml text = read_json_or_yaml(file);
  lines_ = text.lines;
  if (lines_.empty())
    if (auto read = read_yaml(text.json)) lines_ = std::move(read->lines);
  const json::Tree root = json::read_tree(text.json);
  if (!root) return;
  each_member(json_object_get(root.get(), "tenants"), [&](const std::string& tenant, json_t* content) {
    const std::string above = "tenants." + tenant + ".";
    const auto records = [&](const char* list, const std::string& kind) {
      each_member(json_object_get(content, list),
                  [&](const std::string& name, json_t*) { add(tenant, kind + name, above + list + "." + name); });
    };
    records("agents", "agent:");
    records("tiers", "tier:");
    records("bundles", "bundle:");
    records("breakers", "breaker:");
    records("operations", "");
    if (json_object_get(content, "limits") != nullptr) add(tenant, "limits", above + "limits");
    const auto grants = [&](const json_t* list, const std::string& path, const std::string& holder) {
      for (std::size_t i = 0; i < json_array_size(list); ++i) {
        const json_t* item = json_array_get(list, i);
        const std::string to = holder.empty() ? text_of(item, "to") : holder;
        const std::string place = path + "[" + std::to_string(i) + "]";
        add(tenant, to + " " + text_of(item, "id"), place);
        add(tenant, to, place);
      }
    };
    for (const char* list : {"grants", "entitlements"}) grants(json_object_get(content, list), above + list, "");
    each_member(json_object_get(content, "bundles"), [&](const std::string& name, json_t* bundle) {
      grants(json_object_get(bundle, "grants"), above + "bundles." + name + ".grants", "bundle:" + name);
    });
  });
}

void Places::add(const std::string& tenant, const std::string& record, const std::string& path) {
  paths_.try_emplace({tenant, record}, path);
}

int Places::line(const std::string& tenant, const std::string& record) const {
  const auto found = paths_.find({tenant, record});
  return found == paths_.end() ? 0 : line_of(lines_, found->second);
}

}  // namespace agw::agwctl
