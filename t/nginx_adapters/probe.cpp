// An nginx module that does nothing but call the adapters, for test_adapters.py.
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../../src/nginx/adapters/open_file.h"
#include "../../src/nginx/adapters/worker_host.h"

extern "C" {
extern ngx_module_t ngx_http_adapter_probe_module;
}

namespace agw::nginx {
namespace {

struct Conf {
  ngx_shm_zone_t* zone = nullptr;
  ngx_open_file_t* file = nullptr;
  HostPins pins;
  std::optional<RedisSettings> redis;
  std::string watched;
  FileIdentity seen{};
};

/// One worker's; what the directives asked for.
struct Worker {
  explicit Worker(ngx_cycle_t* cycle, const Conf& conf) : host(cycle, {conf.zone, &conf.pins, conf.redis, {}}) {
    if (!conf.watched.empty()) watch = host.watch(conf.watched, conf.seen);
    if (conf.file != nullptr) file = std::make_unique<OpenFile>(*conf.file, cycle->log);
  }
  ~Worker() { host.cancel_tasks(); }
  WorkerHost host;
  std::unique_ptr<InotifyWatch> watch;
  std::unique_ptr<OpenFile> file;
};
std::unique_ptr<Worker> worker;

using Arguments = std::map<std::string, std::string>;

Arguments arguments(ngx_http_request_t* r) {
  Arguments found;
  const std::string text(reinterpret_cast<char*>(r->args.data), r->args.len);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('&', at), text.size());
    const std::string pair = text.substr(at, end - at);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string value = equals < pair.size() ? pair.substr(equals + 1) : "";
    auto* to = reinterpret_cast<u_char*>(value.data());
    auto* from = to;
    ngx_unescape_uri(&to, &from, value.size(), 0);
    value.resize(static_cast<std::size_t>(to - reinterpret_cast<u_char*>(value.data())));
    found[pair.substr(0, equals)] = std::move(value);
    at = end + 1;
  }
  return found;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string show(const RedisReply& reply) {
  switch (reply.type) {
    case RedisReply::Type::nil: return "nil";
    case RedisReply::Type::text:
      return reply.text.size() > 100 ? std::to_string(reply.text.size()) + " bytes" : reply.text;
    case RedisReply::Type::integer: return std::to_string(reply.integer);
    case RedisReply::Type::error: return "!" + reply.text;
    case RedisReply::Type::array: break;
  }
  std::string text;
  for (const RedisReply& element : reply.elements) text += (text.empty() ? "[" : ",") + show(element);
  return text + "]";
}

Task<std::string> fetch(Arguments given) {
  HttpRequest request;
  request.url = given["url"];
  if (!given["method"].empty()) request.method = given["method"];
  if (!given["timeout"].empty()) request.timeout = Milliseconds(std::stol(given["timeout"]));
  if (!given["max"].empty()) request.max_body = std::stoul(given["max"]);
  if (given["rule"] == "discovered") request.addresses = AddressRule::discovered;
  if (!given["header"].empty()) request.headers.emplace_back("X-Probe", given["header"]);
  request.ca_file = given["ca"];
  request.proxy = given["proxy"];
  request.authorization = Secret(given["authorization"]);
  request.body = Secret(given["body"]);
  auto exchange = worker->host.http().fetch(std::move(request));
  auto answer = co_await std::move(exchange);
  if (!answer) co_return "error: " + std::string(to_string(answer.error())) + "\n";
  std::string text = std::to_string(answer->status) + " " + std::to_string(answer->body.size()) + "\n";
  for (const auto& [name, value] : answer->headers) text += name + ": " + value + "\n";
  co_return text + "\n" + answer->body.substr(0, 2000);
}

Task<std::string> redis(Arguments given) {
  std::vector<RedisCommand> commands;
  for (const std::string& command : split(given["cmd"], ';')) commands.push_back(split(command, ' '));
  auto trip = worker->host.redis()->pipeline(std::move(commands));
  auto replies = co_await std::move(trip);
  if (!replies) co_return "error: " + std::string(to_string(replies.error())) + "\n";
  std::string text;
  for (const RedisReply& reply : *replies) text += show(reply) + "\n";
  co_return text;
}

Task<std::string> background(Arguments given) {
  auto result = std::make_shared<std::string>();
  const unsigned milliseconds = static_cast<unsigned>(std::stoul(given["ms"]));
  const bool throws = !given["throw"].empty();
  auto job = worker->host.background().run([result, milliseconds, throws] {
    ngx_msleep(milliseconds);
    if (throws) throw std::runtime_error("thrown in the thread");
    *result = "done\n";
  });
  try {
    co_await std::move(job);
  } catch (const std::exception& error) {
    co_return std::string("threw: ") + error.what() + "\n";
  }
  co_return *result;
}

std::string zone(Arguments given) {
  SharedZone& zone = worker->host.zone();
  const std::string& name = given["name"];
  if (given["op"] == "write") {
    const std::string value = given["size"].empty() ? given["value"] : std::string(std::stoul(given["size"]), 'z');
    return zone.write(name, value, worker->host.clock().now()) ? "written\n" : "full\n";
  }
  if (given["op"] == "read") {
    const auto blob = zone.read(name);
    if (!blob) return "none\n";
    return std::to_string(blob->generation) + " " + std::to_string(blob->bytes.size()) + " " +
           blob->bytes.substr(0, 100) + "\n";
  }
  if (given["op"] == "generation") return std::to_string(zone.generation(name)) + "\n";
  if (given["op"] == "lease") return zone.try_lease(name, Milliseconds(std::stol(given["ms"]))) ? "taken\n" : "held\n";
  if (given["op"] == "release") {
    zone.release(name);
    return "released\n";
  }
  if (given["op"] == "count") {
    const std::uint64_t by = given["by"].empty() ? 1 : std::stoull(given["by"]);
    return std::to_string(zone.cell(name).fetch_add(by) + by) + "\n";
  }
  return "?\n";
}

/// What sanitizers are there to find: the tests see whether they do, inside nginx.
std::string blunder(const std::string& kind) {
  static volatile std::size_t size = 4242;
  static volatile int largest = std::numeric_limits<int>::max();
  static volatile char taken = 0;
  if (kind == "integer") largest = largest + 1;
  if (kind == "pool") {
    constexpr std::size_t few = 40;
    ngx_pool_t* const pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    taken = static_cast<const volatile char*>(ngx_pnalloc(pool, few))[few];
    ngx_destroy_pool(pool);
  }
  auto bytes = std::make_unique<char[]>(size);
  const volatile char* const kept = bytes.get();
  if (kind == "overflow") taken = kept[size];
  if (kind == "leak") {
    static_cast<void>(bytes.release());
    return "lost\n";
  }
  bytes.reset();
  if (kind == "free") taken = *kept;
  static_cast<void>(taken);
  return "nothing was found\n";
}

class Call final : public Posted {
 public:
  explicit Call(ngx_http_request_t* r)
      : r_(r),
        hold_(worker->host.loop()),
        task_(serve(*this, std::string(reinterpret_cast<char*>(r->uri.data), r->uri.len), arguments(r))) {}
  void start() { task_.start(); }

 private:
  static Task<void> serve(Call& self, std::string path, Arguments given) {
    try {
      if (path == "/fetch") {
        auto work = fetch(std::move(given));
        self.text_ = co_await std::move(work);
      } else if (path == "/redis") {
        auto work = redis(std::move(given));
        self.text_ = co_await std::move(work);
      } else if (path == "/background") {
        auto work = background(std::move(given));
        self.text_ = co_await std::move(work);
      } else if (path == "/sleep") {
        auto work = worker->host.loop().sleep(Milliseconds(std::stol(given["ms"])));
        co_await std::move(work);
        self.text_ = "slept\n";
      } else if (path == "/watch") {
        self.text_ = worker->watch->changed() ? "changed\n" : "same\n";
      } else if (path == "/zone") {
        self.text_ = zone(std::move(given));
      } else if (path == "/metrics") {
        self.text_ = worker->host.zone().render_metrics();
      } else if (path == "/append") {
        const std::string line = given["line"] + "\n";
        const auto state = worker->file->begin();
        const bool written = state && worker->file->append(line) == line.size();
        if (state) worker->file->end();
        self.text_ = !state ? "busy\n" : written ? "written\n" : "failed\n";
      } else if (path == "/log") {
        worker->host.log().write(LogLevel::error, given["text"]);
        self.text_ = "logged\n";
      } else if (path == "/blunder") {
        self.text_ = blunder(given["kind"]);
      } else if (path == "/basics") {
        self.text_ = std::to_string(ngx_pid) + " " + worker->host.random().hex(16) + " " +
                     format_rfc3339(worker->host.clock().now()) + "\n";
      } else if (path == "/spawn") {
        worker->host.loop().spawn(sleeper(Milliseconds(std::stol(given["ms"]))));
        self.text_ = "spawned\n";
      }
    } catch (const std::exception& error) {
      self.text_ = std::string("exception: ") + error.what() + "\n";
    }
    if (self.text_.empty()) self.text_ = "nothing\n";
    worker->host.loop().post(self);
  }

  static Task<void> sleeper(Milliseconds delay) {
    auto work = worker->host.loop().sleep(delay);
    co_await std::move(work);
    throw std::runtime_error("a spawned task may throw");
  }

  void run() noexcept override {
    ngx_http_request_t* r = r_;
    ngx_connection_t* c = r->connection;
    ngx_http_finalize_request(r, send(r, text_));
    ngx_http_run_posted_requests(c);
  }

  static ngx_int_t send(ngx_http_request_t* r, const std::string& text) noexcept {
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = static_cast<off_t>(text.size());
    const ngx_int_t rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) return rc;
    ngx_buf_t* buffer = ngx_create_temp_buf(r->pool, text.size() + 1);
    if (buffer == nullptr) return NGX_ERROR;
    buffer->last = ngx_cpymem(buffer->last, text.data(), text.size());
    buffer->last_buf = 1;
    ngx_chain_t out{buffer, nullptr};
    return ngx_http_output_filter(r, &out);
  }

  ngx_http_request_t* r_;
  NginxLoop::Hold hold_;
  std::string text_;
  Task<void> task_;
};

ngx_int_t handle(ngx_http_request_t* r) noexcept {
  const ngx_int_t rc = ngx_http_discard_request_body(r);
  if (rc != NGX_OK) return rc;
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, 0);
  if (cleanup == nullptr || !worker) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  auto* call = new Call(r);
  cleanup->data = call;
  cleanup->handler = [](void* data) noexcept { delete static_cast<Call*>(data); };
  ++r->main->count;
  r->read_event_handler = ngx_http_test_reading;
  call->start();
  return NGX_DONE;
}

Conf& conf_of(ngx_conf_t* cf) {
  return *static_cast<Conf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_adapter_probe_module));
}

std::string text(ngx_conf_t* cf, ngx_uint_t i) {
  const ngx_str_t& word = static_cast<ngx_str_t*>(cf->args->elts)[i];
  return {reinterpret_cast<char*>(word.data), word.len};
}

char* set_zone(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
  auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  Conf& conf = conf_of(cf);
  conf.zone = SharedZone::declare(cf, words[1], static_cast<std::size_t>(ngx_parse_size(&words[2])),
                                  &ngx_http_adapter_probe_module);
  return conf.zone != nullptr ? NGX_CONF_OK : static_cast<char*>(NGX_CONF_ERROR);
}

char* set_file(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
  Conf& conf = conf_of(cf);
  conf.file = OpenFile::declare(cf, static_cast<ngx_str_t*>(cf->args->elts)[1]);
  return conf.file != nullptr ? NGX_CONF_OK : static_cast<char*>(NGX_CONF_ERROR);
}

char* set_redis(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
  auto address = grants::parse_redis_url(text(cf, 1));
  if (!address) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", address.error().c_str());
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  RedisSettings settings;
  settings.address = std::move(*address);
  for (ngx_uint_t i = 2; i < cf->args->nelts; ++i) {
    const std::string word = text(cf, i);
    const std::string value = word.substr(word.find('=') + 1);
    if (word.starts_with("password_file=")) settings.password_file = value;
    if (word.starts_with("ca=")) settings.ca_file = value;
    if (word.starts_with("timeout=")) settings.timeout = Milliseconds(std::stol(value));
    if (word.starts_with("max=")) settings.max_reply = std::stoul(value);
  }
  conf_of(cf).redis = std::move(settings);
  return NGX_CONF_OK;
}

char* set_pin(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
  return conf_of(cf).pins.add(text(cf, 1)) ? NGX_CONF_OK : static_cast<char*>(NGX_CONF_ERROR);
}

char* set_watch(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
  conf_of(cf).watched = text(cf, 1);
  conf_of(cf).seen = file_identity(conf_of(cf).watched);
  return NGX_CONF_OK;
}

char* set_probe(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
  static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module))->handler = handle;
  return NGX_CONF_OK;
}

void* create_conf(ngx_conf_t* cf) noexcept {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(cf->pool, 0);
  if (cleanup == nullptr) return nullptr;
  auto* conf = new Conf;
  cleanup->data = conf;
  cleanup->handler = [](void* data) noexcept { delete static_cast<Conf*>(data); };
  return conf;
}

ngx_int_t start(ngx_cycle_t* cycle) noexcept {
  if (!WorkerHost::wanted()) return NGX_OK;
  auto* http = reinterpret_cast<ngx_http_conf_ctx_t*>(ngx_get_conf(cycle->conf_ctx, ngx_http_module));
  if (http == nullptr) return NGX_OK;
  const auto& conf = *static_cast<Conf*>(http->main_conf[ngx_http_adapter_probe_module.ctx_index]);
  if (conf.zone == nullptr) return NGX_OK;
  try {
    worker = std::make_unique<Worker>(cycle, conf);
  } catch (const std::exception& error) {
    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "probe: %s", error.what());
    return NGX_ERROR;
  }
  return NGX_OK;
}

void stop(ngx_cycle_t*) noexcept { worker.reset(); }

ngx_command_t commands[] = {{ngx_string("probe_zone"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE2, set_zone, 0, 0, nullptr},
                            {ngx_string("probe_file"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_file, 0, 0, nullptr},
                            {ngx_string("probe_redis"), NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE, set_redis, 0, 0, nullptr},
                            {ngx_string("probe_pin"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_pin, 0, 0, nullptr},
                            {ngx_string("probe_watch"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_watch, 0, 0, nullptr},
                            {ngx_string("probe"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_probe, 0, 0, nullptr},
                            ngx_null_command};

ngx_http_module_t context = {nullptr, nullptr, create_conf, nullptr, nullptr, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace agw::nginx

// What nginx's build would generate: the table that nginx reads from a library.
extern "C" {
[[gnu::visibility("default")]] ngx_module_t ngx_http_adapter_probe_module = {NGX_MODULE_V1,
                                                                             &agw::nginx::context,
                                                                             agw::nginx::commands,
                                                                             NGX_HTTP_MODULE,
                                                                             nullptr,
                                                                             nullptr,
                                                                             agw::nginx::start,
                                                                             nullptr,
                                                                             nullptr,
                                                                             agw::nginx::stop,
                                                                             nullptr,
                                                                             NGX_MODULE_V1_PADDING};
[[gnu::visibility("default")]] ngx_module_t* ngx_modules[] = {&ngx_http_adapter_probe_module, nullptr};
[[gnu::visibility("default")]] char* ngx_module_names[] = {const_cast<char*>("ngx_http_adapter_probe_module"), nullptr};
[[gnu::visibility("default")]] char* ngx_module_order[] = {nullptr};
}
