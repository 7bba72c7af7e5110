#include "agw/model/reason.h"

#include <array>

namespace agw {
namespace {

constexpr std::array rows{
#define AGW_REASON_ROW(name, check, disposition, rpc, text) \
  ReasonRow{Reason::name, #name, Check::check, Disposition::disposition, rpc, text},
    AGW_REASONS(AGW_REASON_ROW)
#undef AGW_REASON_ROW
};

}  // namespace

std::string_view to_string(Check check) noexcept {
  switch (check) {
    case Check::token: return "token";
    case Check::user: return "user";
    case Check::agent: return "agent";
    case Check::delegation: return "delegation";
    case Check::scope: return "scope";
    case Check::route: return "route";
    case Check::approval: return "approval";
    case Check::limit: return "limit";
  }
  return "unknown";
}

std::string_view to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::skip: return "skip";
    case Verdict::pass: return "pass";
    case Verdict::fail: return "fail";
  }
  return "fail";
}

std::span<const ReasonRow> reasons() noexcept { return rows; }

const ReasonRow& row(Reason reason) noexcept { return rows[static_cast<std::size_t>(reason)]; }

std::optional<Reason> reason_from(std::string_view code) noexcept {
  for (const auto& entry : rows)
    if (entry.code == code) return entry.reason;
  return std::nullopt;
}

int http_status(Disposition disposition) noexcept {
  switch (disposition) {
    case Disposition::allowed: return 200;
    case Disposition::challenge: return 401;
    case Disposition::forbidden:
    case Disposition::scope:
    case Disposition::denied: return 403;
    case Disposition::unknown: return 404;
    case Disposition::malformed: return 400;
    case Disposition::method: return 405;
    case Disposition::too_large: return 413;
    case Disposition::unavailable: return 503;
    case Disposition::backend: return 502;
    case Disposition::limited: return 429;
    case Disposition::conflict: return 409;
    case Disposition::unprocessable: return 422;
  }
  return 503;
}

}  // namespace agw
