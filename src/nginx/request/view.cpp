#include "view.h"

#include <cstring>

namespace agw::nginx {
namespace {

/// Calls visit(element) for each field of a header list.
template <class Visit>
void each_field(const ngx_list_t& list, Visit&& visit) {
  for (const ngx_list_part_t* part = &list.part; part != nullptr; part = part->next) {
    const auto* fields = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) visit(fields[i]);
  }
}

/// nginx keeps each name in lower case too; a field that another module has put there may lack it.
bool same_name(const ngx_table_elt_t& field, std::string_view name) noexcept {
  if (field.key.len != name.size()) return false;
  if (field.lowcase_key != nullptr) return std::memcmp(field.lowcase_key, name.data(), name.size()) == 0;
  return ngx_strncasecmp(field.key.data, reinterpret_cast<u_char*>(const_cast<char*>(name.data())), name.size()) == 0;
}

}  // namespace

Headers::Found RequestHeaders::find(std::string_view name) const noexcept {
  Found found;
  each_field(r_->headers_in.headers, [&](const ngx_table_elt_t& field) {
    if (!same_name(field, name)) return;
    found.value = ++found.count == 1 ? view(field.value) : std::string_view();
  });
  return found;
}

void RequestHeaders::each(Visit visit, void* context) const {
  each_field(r_->headers_in.headers, [&](const ngx_table_elt_t& field) {
    const u_char* const lower = field.lowcase_key;
    visit(context, lower != nullptr ? view({field.key.len, const_cast<u_char*>(lower)}) : view(field.key),
          view(field.value));
  });
}

}  // namespace agw::nginx
