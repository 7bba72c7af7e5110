// agent_metrics and agent_ready.
#include <memory>
#include <new>
#include <optional>

#include "../request/answer.h"
#include "../worker.h"
#include "handlers.h"

namespace agw::nginx {
namespace {

gateway::Answer unavailable(std::string_view why) {
  gateway::Answer answer;
  answer.status = 503;
  answer.content_type = "application/json";
  answer.body = R"({"ready":false,"detail":")" + std::string(why) + "\"}\n";
  return answer;
}

bool is_read(const ngx_http_request_t* r) noexcept { return r->method == NGX_HTTP_GET || r->method == NGX_HTTP_HEAD; }

/// One question about readiness; lives in the request's pool.
class Inquiry {
 public:
  explicit Inquiry(ngx_http_request_t* r) : r_(r), wake_(*this), course_(nullptr) {}

  /// Begins; the answer is sent from a turn of the loop.
  void start(Worker& worker) {
    hold_.emplace(worker.host().loop());
    course_ = ask(*this, worker);
    course_.start();
  }

 private:
  class Wake final : public Posted {
   public:
    explicit Wake(Inquiry& owner) noexcept : owner_(owner) {}

   private:
    void run() noexcept override { owner_.answer(); }
    Inquiry& owner_;
  };

  static Task<void> ask(Inquiry& self, Worker& worker) {
    try {
      auto question = worker.readiness();
      const auto readiness = co_await std::move(question);
      self.answer_.status = readiness.ready ? 200 : 503;
      self.answer_.content_type = "application/json";
      self.answer_.body = readiness.body;
    } catch (...) {
      self.answer_ = unavailable("the gateway failed inside");
    }
    worker.host().loop().post(self.wake_);
  }

  void answer() noexcept {
    ngx_connection_t* c = r_->connection;
    ngx_http_request_t* r = r_;
    hold_.reset();
    try {
      const gateway::Answer answer = std::move(answer_);
      send_answer(r, answer);
    } catch (...) {
      ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
    ngx_http_run_posted_requests(c);
  }

  ngx_http_request_t* r_;
  gateway::Answer answer_;
  std::optional<NginxLoop::Hold> hold_;
  Wake wake_;
  Task<void> course_;
};

}  // namespace

ngx_int_t metrics_handler(ngx_http_request_t* r) noexcept try {
  if (!is_read(r)) return NGX_HTTP_NOT_ALLOWED;
  gateway::Answer answer;
  answer.status = 200;
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  if (worker() != nullptr) {
    worker()->show_breakers();
    answer.body = worker()->host().zone().render_metrics();
  }
  answer.headers = {{"Cache-Control", "no-store"}};
  return write_answer(r, answer);
} catch (...) {
  return NGX_HTTP_SERVICE_UNAVAILABLE;
}

ngx_int_t ready_handler(ngx_http_request_t* r) noexcept try {
  if (!is_read(r)) return NGX_HTTP_NOT_ALLOWED;
  Worker* const here = worker();
  if (here == nullptr) return write_answer(r, unavailable("no location is governed"));
  if (const ngx_int_t rc = ngx_http_discard_request_body(r); rc != NGX_OK) return rc;
  void* memory = ngx_palloc(r->pool, sizeof(Inquiry));
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, 0);
  if (memory == nullptr || cleanup == nullptr) return NGX_HTTP_SERVICE_UNAVAILABLE;
  auto* inquiry = new (memory) Inquiry(r);
  cleanup->handler = [](void* data) noexcept { static_cast<Inquiry*>(data)->~Inquiry(); };
  cleanup->data = inquiry;
  // The content phase finalizes with what is returned: the reference keeps the request until the answer.
  ++r->main->count;
  inquiry->start(*here);
  return NGX_DONE;
} catch (...) {
  return NGX_HTTP_SERVICE_UNAVAILABLE;
}

}  // namespace agw::nginx
