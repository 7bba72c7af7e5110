#include "agw/model/principal.h"

#include <algorithm>

namespace agw {

bool Principal::has_scope(std::string_view scope) const noexcept {
  // A token has a handful, which are looked through faster than they are halved.
  constexpr std::size_t handful = 8;
  if (implied_scopes.size() <= handful)
    return std::find(implied_scopes.begin(), implied_scopes.end(), scope) != implied_scopes.end();
  return std::binary_search(implied_scopes.begin(), implied_scopes.end(), scope);
}

Principal as_made_by(const Principal& principal, const std::string& agent) {
  Principal out = principal;
  out.agent = agent;
  out.client = agent;
  out.chain.clear();
  out.provider.clear();
  out.model.clear();
  return out;
}

}  // namespace agw
