#include <algorithm>

#include "../config/conf.h"
#include "../request/answer.h"
#include "../request/context.h"
#include "../text.h"
#include "handlers.h"

namespace agw::nginx {
namespace {

/// Waits without blocking, as the access phase does.
ngx_int_t answer_permissions(ngx_http_request_t* r, const PermissionsPlace& place) {
  Worker* const here = worker();
  RequestContext* const context = here != nullptr ? RequestContext::obtain(r) : nullptr;
  if (context == nullptr) return NGX_HTTP_SERVICE_UNAVAILABLE;
  if (!context->started_here()) context->start_permissions(*here, place.locations);
  if (!context->decided()) {
    if (!context->suspended()) context->suspend();
    return NGX_AGAIN;
  }
  context->answered = true;
  return send_answer(r, context->outcome().error());
}

}  // namespace

ngx_int_t discovery_handler(ngx_http_request_t* r) noexcept try {
  const SrvConf& server = srv_conf(r);
  if (server.documents.empty() || r != r->main) return NGX_DECLINED;
  const Document* found = nullptr;
  for (const Document& document : server.documents)
    if (document.path == view(r->uri)) found = &document;
  if (found == nullptr) {
    const auto place = std::ranges::find(server.permissions, view(r->uri), &PermissionsPlace::path);
    return place == server.permissions.end() ? NGX_DECLINED : answer_permissions(r, *place);
  }
  gateway::Answer answer;
  // Public by design; a page may read it to begin a login.
  answer.headers = {{"Access-Control-Allow-Origin", "*"}};
  if (r->method == NGX_HTTP_OPTIONS) {
    answer.status = 204;
    answer.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
    answer.headers.emplace_back("Access-Control-Allow-Headers", "*, Authorization, MCP-Protocol-Version");
    answer.headers.emplace_back("Access-Control-Max-Age", "600");
  } else if (r->method == NGX_HTTP_GET || r->method == NGX_HTTP_HEAD) {
    answer.status = 200;
    answer.content_type = found->content_type;
    answer.body = found->body;
    answer.headers.emplace_back("Cache-Control", "public, max-age=300");
  } else {
    answer.status = 405;
    answer.headers.emplace_back("Allow", "GET, HEAD, OPTIONS");
  }
  return send_answer(r, answer);
} catch (...) {
  return NGX_HTTP_SERVICE_UNAVAILABLE;
}

}  // namespace agw::nginx
