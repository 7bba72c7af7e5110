#include "agw/model/principal.h"

#include <algorithm>

namespace agw {

bool Principal::has_scope(std::string_view scope) const noexcept {
  return std::binary_search(implied_scopes.begin(), implied_scopes.end(), scope);
}

}  // namespace agw
