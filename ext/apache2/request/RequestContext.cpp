#include "apache2/request/RequestContext.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "apache2/config/SettingTarget.h"
#include "apache2/request/RequestEnvironment.h"
#include "apache2/request/StickyCookie.h"

namespace Passenger {

namespace {

/** Writes the values that a set of options is made of into a key. */
class KeyWriter {
public:
    explicit KeyWriter(std::string &key) : key_(key) {}

    void add(const char *text) {
        if (text != nullptr) {
            key_ += text;
        }
        key_ += '\0';
    }
    void add(const void *block, std::size_t size) { key_.append(static_cast<const char *>(block), size); }

private:
    std::string &key_;
};

/** Compares these values with a key. This is cheaper than writing another key. */
class KeyReader {
public:
    explicit KeyReader(std::string_view key) : rest_(key) {}

    void add(const char *text) {
        // With the NUL at its end.
        add(text == nullptr ? "" : text, text == nullptr ? 1 : std::strlen(text) + 1);
    }
    void add(const void *block, std::size_t size) {
        same_ = same_ && rest_.size() >= size && std::memcmp(rest_.data(), block, size) == 0;
        rest_.remove_prefix(std::min(size, rest_.size()));
    }
    bool same() const noexcept { return same_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool same_ = true;
};

/**
 * How many requests an instance gets at once that has an event loop or starts by a bridge.
 * @param wanted the value of PassengerForceMaxConcurrentRequestsPerProcess
 */
unsigned concurrencyOf(int wanted) {
    return wanted <= 0 ? Options::NO_THREAD_LIMIT : std::min(static_cast<unsigned>(wanted), Options::NO_THREAD_LIMIT);
}

/** Once for each child. */
void tellIdle(const request_rec *r, const Options &options, const Settings &settings) {
    static std::atomic_flag told;
    const int wanted = settings.maxConcurrentRequests;
    const bool isIdle = wanted >= 0 && static_cast<unsigned>(wanted) != options.threads && !options.startsByBridge() &&
                        !options.isAsync();
    if (isIdle && !told.test_and_set()) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "event=directive.idle app=\"%s\" directive=PassengerForceMaxConcurrentRequestsPerProcess "
                      "remedy=\"PassengerThreadCount, and PassengerMaxInstances 1 for a single process\"",
                      options.appGroupName.c_str());
    }
}

template <typename Value> int known(const Given<Value> &value) {
    return value ? static_cast<int>(*value) : -1;
}

constexpr bool isThePools(const Directives::Directive &directive) {
    using Directives::Reader;
    const Reader reader = directive.field.reader;
    return directive.successor == nullptr && (reader == Reader::OPTION || reader == Reader::DERIVED);
}

/** The rows of the table that become options. */
constexpr auto POOLS_FIELDS = [] {
    constexpr auto COUNT = static_cast<std::size_t>(std::ranges::count_if(Directives::TABLE, isThePools));
    std::array<Directives::Field, COUNT> fields{};
    auto *next = fields.begin();
    for (const Directives::Directive &directive : Directives::TABLE) {
        if (isThePools(directive)) {
            *next++ = directive.field;
        }
    }
    return fields;
}();

/** Gives all values that options are made of to `key`, always in the same order. */
template <typename Key> void describe(Key &key, const Settings &settings, const Route &route) {
    for (const char *text : {route.appRoot, route.baseUri, route.appType, route.startupFile}) {
        key.add(text);
    }
    std::array<int, POOLS_FIELDS.size()> numbers{};
    auto *next = numbers.begin();
    for (const Directives::Field &field : POOLS_FIELDS) {
        std::visit(
            [&](auto member) {
                using Member = std::remove_cvref_t<decltype(settings.*member)>;
                if constexpr (std::is_same_v<Member, Settings::Text>) {
                    key.add((settings.*member).given.value_or(nullptr));
                } else if constexpr (std::is_same_v<Member, Settings::List>) {
                    for (const char *text : Settings::items(settings.*member)) {
                        key.add(text);
                    }
                } else {
                    *next++ = known((settings.*member).given);
                }
            },
            field.member);
    }
    key.add(numbers.data(), sizeof(numbers));
}

}  // namespace

const Options &RequestContext::optionsFor(const request_rec *r, const Route &route) {
    const Settings &settings = Settings::of(r);
    request_ = r;
    KeyReader reader(key_);
    describe(reader, settings, route);
    if (last_ == nullptr || !reader.same()) {
        last_ = &find(settings, route);
    }
    if (last_->stickySessions) {
        const char *cookies = apr_table_get(r->headers_in, "Cookie");
        last_->request.queue = QueueChoice::ofInstance(
            cookies == nullptr ? 0 : StickyCookie::instanceIn(cookies, settings.stickySessionsCookieName.value()));
    }
    return *last_;
}

Options &RequestContext::find(const Settings &settings, const Route &route) {
    last_ = nullptr;
    key_.clear();
    KeyWriter writer(key_);
    describe(writer, settings, route);
    auto known = options_.find(key_);
    if (known == options_.end()) {
        if (options_.size() >= MAX_OPTIONS) {
            options_.clear();
        }
        known = options_.emplace(key_, makeOptions(settings, Settings::of(ap_server_conf), route)).first;
        known->second.request.settings = std::hash<std::string>()(key_);
    }
    return known->second;
}

Options RequestContext::makeOptions(const Settings &settings, const Settings &global, const Route &route) {
    Options options;
    options.request.maxInFlight = share_;
    options.ruby = global.defaultRuby;
    for (const Directives::Field &field : POOLS_FIELDS) {
        Directives::take(options, field, settings);
    }
    if (options.queueTarget > std::chrono::milliseconds(0) && !settings.maxRequestQueueSize.given) {
        // The target decides how many may wait: a burst that is served in time is not refused.
        options.maxQueueSize = 0;
    }
    options.rollingRestarts = settings.rollsRestarts();
    options.appRoot = route.appRoot;
    options.appGroupName = route.appName;
    options.baseUri = route.baseUri;
    options.appType = route.appType;
    options.startupFile = route.startupFile;
    options.defaultUser = global.defaultUser;
    options.defaultGroup = global.defaultGroup != nullptr ? global.defaultGroup : "";
    options.userSwitching = global.userSwitching;
    options.threads = options.startsByBridge() || options.isAsync() ? concurrencyOf(settings.maxConcurrentRequests)
                                                                    : static_cast<unsigned>(settings.threads());
    tellIdle(request_, options, settings);
    options.request.priority = settings.requestPriority();
    if (options.overtakes()) {
        options.request.queue = QueueChoice::ofHighPriority();
    }
    // Only sessions of this request context use these options, and a request context serves one
    // request at a time.
    options.variables = [this] { return RequestEnvironment::processVariables(request_); };
    return options;
}

}  // namespace Passenger
