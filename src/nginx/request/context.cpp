#include "context.h"

#include <new>
#include <utility>

#include "agw/base/exception.h"

#include "../config/conf.h"

namespace agw::nginx {
namespace {

RequestContext* open_calls = nullptr;

void destroy(void* data) noexcept { static_cast<RequestContext*>(data)->~RequestContext(); }

}  // namespace

void RequestContext::Wake::run() noexcept {
  ngx_http_request_t* r = owner_.r_;
  ngx_connection_t* c = r->connection;
  owner_.suspended_ = false;
  owner_.hold_.reset();
  r->read_event_handler = ngx_http_block_reading;
  r->write_event_handler = ngx_http_core_run_phases;
  if (ngx_http_post_request(r, nullptr) != NGX_OK) {
    ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    return;
  }
  // The request, and this object with it, may be gone afterwards.
  ngx_http_run_posted_requests(c);
}

RequestContext* RequestContext::find(ngx_http_request_t* r) noexcept {
  if (auto* known = ngx_http_get_module_ctx(r->main, ngx_http_agent_gateway_module))
    return static_cast<RequestContext*>(known);
  for (ngx_pool_cleanup_t* item = r->main->pool->cleanup; item != nullptr; item = item->next) {
    if (item->handler != destroy) continue;
    ngx_http_set_ctx(r->main, item->data, ngx_http_agent_gateway_module);
    return static_cast<RequestContext*>(item->data);
  }
  return nullptr;
}

RequestContext* RequestContext::obtain(ngx_http_request_t* r) noexcept {
  if (auto* known = find(r)) return known;
  // nginx's pools align to 8 bytes only, which is what these members need at most.
  static_assert(alignof(RequestContext) <= NGX_POOL_ALIGNMENT);
  void* memory = ngx_palloc(r->pool, sizeof(RequestContext));
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, 0);
  if (memory == nullptr || cleanup == nullptr) return nullptr;
  try {
    auto* made = new (memory) RequestContext(r);
    cleanup->handler = destroy;
    cleanup->data = made;
    ngx_http_set_ctx(r, made, ngx_http_agent_gateway_module);
    return made;
  } catch (...) {
    return nullptr;
  }
}

RequestContext::RequestContext(ngx_http_request_t* r) : r_(r), headers_(r), course_(nullptr) {
  worker()->host().random().hex(std::span<char>(id_));
}

RequestContext::~RequestContext() {
  // Whoever waits for the body is in the course, which dies first.
  course_.reset();
  look_.reset();
  if (!finished_) finish({.outcome = audit::Outcome::aborted});
}

std::string_view RequestContext::raw_path() const noexcept {
  const std::string_view whole = view(r_->unparsed_uri);
  return whole.substr(0, whole.find_first_of("?#"));
}

/// A handle is nginx's index of the variable. Those that may change in a request are looked at anew.
std::optional<std::string_view> RequestContext::variable(std::intptr_t handle) const {
  const ngx_http_variable_value_t* value = ngx_http_get_flushed_variable(r_, static_cast<ngx_uint_t>(handle));
  if (value == nullptr || value->not_found != 0 || value->valid == 0) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(value->data), value->len);
}

bool RequestContext::started_here() const noexcept {
  return decided_location_ == &loc_conf(r_) && decided_method_ == r_->method && decided_uri_ == view(r_->uri) &&
         decided_args_ == view(r_->args);
}

bool RequestContext::allowed_here() const noexcept { return started_here() && outcome_ && outcome_->has_value(); }

/// A new call for the place where the request stands now. What was begun for another place
/// (before an internal redirect) ends there.
void RequestContext::begin_call() {
  if (!finished_) {
    if (call_.claim != nullptr) Capture::end(r_, *this);
    audit::Completion left_behind;
    left_behind.outcome = audit::Outcome::error;
    finish(left_behind);
  }
  course_.reset();
  look_.reset();
  watched_ = Watched::no;
  cut_ = false;
  capture.reset();
  rewriting.reset();
  upstream_conf = nullptr;
  if (call_.location != nullptr) {
    call_ = gateway::Call();
    // Each decision has an event of its own, and the answer names the last one's.
    worker()->host().random().hex(std::span<char>(id_));
  }
  outcome_.reset();
  finished_ = false;
  link();
  answered = false;
  decided_location_ = &loc_conf(r_);
  decided_method_ = r_->method;
  decided_uri_ = view(r_->uri);
  decided_args_ = view(r_->args);
  head_end_ = head_end_of(r_);
  started_ = std::chrono::steady_clock::now();
  overhead_us_ = 0;
}

void RequestContext::start(Worker& worker, const gateway::Location& location) {
  begin_call();
  course_ = drive(*this, worker, location);
  course_.start();
}

void RequestContext::start_permissions(Worker& worker, const std::vector<const gateway::Location*>& locations) {
  begin_call();
  course_ = drive_permissions(*this, worker, locations);
  course_.start();
}

gateway::Answer RequestContext::refuse_here(Worker& worker, const gateway::Location& location) {
  begin_call();
  auto answer = worker.gateway().refuse(location, *this, call_, Reason::decision_missing);
  outcome_.emplace(fail(answer));
  stop_watch();
  return answer;
}

Task<void> RequestContext::drive(RequestContext& self, Worker& worker, const gateway::Location& location) {
  std::exception_ptr crash;
  try {
    auto course = worker.gateway().govern(location, self, self.call_);
    self.outcome_.emplace(co_await std::move(course));
    if (location.cuts_running && self.outcome_->has_value() && self.call_.enforced) self.watched_ = Watched::call;
  } catch (...) {
    crash = std::current_exception();
  }
  // Nothing of the call refers to the body: the next call finds this memory in the cache.
  self.gathered_body_.reset();
  self.gathered_in_ = {};
  self.end_course(worker, location, crash);
}

Task<void> RequestContext::drive_permissions(RequestContext& self, Worker& worker,
                                             const std::vector<const gateway::Location*>& locations) {
  std::exception_ptr crash;
  try {
    auto course = worker.gateway().permissions(locations, self, self.call_);
    self.outcome_.emplace(fail(co_await std::move(course)));
  } catch (...) {
    crash = std::current_exception();
  }
  self.end_course(worker, *locations.front(), crash);
}

void RequestContext::end_course(Worker& worker, const gateway::Location& location,
                                const std::exception_ptr& crash) noexcept {
  if (crash) crashed(worker, location, crash);
  stop_watch();
  if (suspended_) worker.host().loop().post(wake_);
}

/// What escaped is a fault of ours, or memory is exhausted: it ends in a refusal, not in a pass, and
/// not in a call that waits for ever.
void RequestContext::crashed(Worker& worker, const gateway::Location& location,
                             const std::exception_ptr& error) noexcept {
  ngx_log_error(NGX_LOG_ERR, r_->connection->log, 0, "agent_gateway: an exception ended a call: %s", text_of(error));
  try {
    outcome_.emplace(fail(worker.gateway().refuse(location, *this, call_, Reason::internal_error)));
  } catch (...) {
    gateway::Answer bare;
    bare.status = NGX_HTTP_SERVICE_UNAVAILABLE;
    outcome_.emplace(fail(std::move(bare)));
  }
}

void RequestContext::suspend() noexcept {
  suspended_ = true;
  hold_.emplace(worker()->host().loop());
  // While a body is being read nginx watches the client itself.
  if (body_waiter_ != nullptr) return;
  r_->read_event_handler = ngx_http_test_reading;
  if (ngx_handle_read_event(r_->connection->read, 0) != NGX_OK)
    ngx_log_error(NGX_LOG_INFO, r_->connection->log, 0, "agent_gateway: can't watch the client while waiting");
}

void RequestContext::stop_watch() noexcept {
  overhead_us_ =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - started_).count();
}

void RequestContext::finish(audit::Completion completion) noexcept {
  if (std::exchange(finished_, true)) return;
  unlink();
  Worker* const here = worker();
  if (here == nullptr) return;
  completion.overhead_us = overhead_us_;
  if (cut_) completion.outcome = audit::Outcome::aborted;
  if (!call_.record.open() && call_.location != nullptr && !decided()) {
    // It ended before a decision: the client left, or nginx refused the rest of its body.
    const bool too_large = completion.status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    const bool failed = completion.status >= NGX_HTTP_INTERNAL_SERVER_ERROR;
    try {
      static_cast<void>(here->gateway().refuse(*call_.location, *this, call_,
                                               too_large ? Reason::body_too_large
                                               : failed  ? Reason::internal_error
                                                         : Reason::client_aborted));
    } catch (...) {
      ngx_log_error(NGX_LOG_ALERT, r_->connection->log, 0, "agent_audit: no memory for an audit line");
    }
    completion.outcome = too_large || failed ? audit::Outcome::refused : audit::Outcome::aborted;
  }
  here->gateway().finish(call_, completion);
}

RequestContext* RequestContext::first_open() noexcept { return open_calls; }

void RequestContext::link() noexcept {
  next_open_ = open_calls;
  if (open_calls != nullptr) open_calls->previous_open_ = this;
  open_calls = this;
}

void RequestContext::unlink() noexcept {
  (previous_open_ != nullptr ? previous_open_->next_open_ : open_calls) = next_open_;
  if (next_open_ != nullptr) next_open_->previous_open_ = previous_open_;
  previous_open_ = nullptr;
  next_open_ = nullptr;
}

void finish_open_calls() noexcept {
  while (open_calls != nullptr) {
    audit::Completion aborted;
    aborted.outcome = audit::Outcome::aborted;
    open_calls->finish(aborted);
  }
}

}  // namespace agw::nginx
