#include "agw/io/http.h"

namespace agw {

std::string_view HttpResponse::header(std::string_view name) const noexcept {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

std::string_view to_string(HttpError error) noexcept {
  switch (error) {
    case HttpError::bad_url: return "bad URL";
    case HttpError::resolve: return "name not resolved";
    case HttpError::address_refused: return "address refused";
    case HttpError::connect: return "no connection";
    case HttpError::tls: return "TLS failed";
    case HttpError::timeout: return "timed out";
    case HttpError::too_large: return "answer too large";
    case HttpError::protocol: return "not HTTP";
    case HttpError::closed: return "closed";
  }
  return "failed";
}

}  // namespace agw
