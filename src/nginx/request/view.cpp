#include "view.h"

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

bool same_name(const ngx_table_elt_t& field, std::string_view name) noexcept {
  return field.key.len == name.size() &&
         ngx_strncasecmp(field.key.data, reinterpret_cast<u_char*>(const_cast<char*>(name.data())), name.size()) == 0;
}

}  // namespace

std::string_view RequestHeaders::get(std::string_view name) const noexcept {
  std::string_view value;
  unsigned found = 0;
  each_field(r_->headers_in.headers, [&](const ngx_table_elt_t& field) {
    if (!same_name(field, name)) return;
    value = view(field.value);
    ++found;
  });
  return found == 1 ? value : std::string_view{};
}

unsigned RequestHeaders::count(std::string_view name) const noexcept {
  unsigned found = 0;
  each_field(r_->headers_in.headers, [&](const ngx_table_elt_t& field) { found += same_name(field, name) ? 1U : 0U; });
  return found;
}

void RequestHeaders::each(Visit visit, void* context) const {
  each_field(r_->headers_in.headers,
             [&](const ngx_table_elt_t& field) { visit(context, view(field.key), view(field.value)); });
}

}  // namespace agw::nginx
