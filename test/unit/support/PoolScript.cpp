#include "support/PoolScript.h"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <random>
#include <utility>

#include <fmt/format.h>

namespace Passenger {

namespace {

using namespace std::chrono_literals;
using Kind = Happening::Kind;
using Random = std::mt19937_64;

constexpr std::size_t APPS = 5;
/** More that wait teach nothing new, and are slow to check. */
constexpr std::size_t MOST_WAITERS = 40;

struct Frequency {
    Kind kind;
    unsigned weight;
};
constexpr Frequency FREQUENCIES[] = {
    {Kind::ASK, 600},    {Kind::ASK_FOR_ONE, 80}, {Kind::RELEASE, 520},  {Kind::CANCEL, 50},
    {Kind::KILL, 40},    {Kind::BOOT, 300},       {Kind::FAIL_BOOT, 30}, {Kind::PASS, 260},
    {Kind::RESTART, 24}, {Kind::RESIZE, 12},      {Kind::CONFIGURE, 8},  {Kind::CHANGE_OPTIONS, 16},
    {Kind::DETACH, 12},  {Kind::CLEAR, 3},        {Kind::LOAD, 10},      {Kind::CALM_DOWN, 1},
};

constexpr std::chrono::milliseconds TIMES[] = {1ms, 5ms, 20ms, 50ms, 200ms, 500ms, 1s, 2s, 10s, 70s};

template <typename List> auto pick(const List &list, std::uint32_t number) {
    return std::begin(list)[number % std::size(list)];
}

/** @param taste any number: the same gives the same */
Options makeOptions(std::size_t app, std::uint32_t taste) {
    Random random(taste);
    const auto one = [&](std::initializer_list<unsigned> values) {
        return pick(values, static_cast<std::uint32_t>(random()));
    };
    Options options;
    options.appRoot = fmt::format("/srv/app{}", app);
    options.appGroupName = fmt::format("app{}", app);
    // By it the model knows which options are in force.
    options.startupFile = std::to_string(taste);
    options.stickySessions = true;
    options.minInstances = one({0, 0, 1, 2});
    options.maxInstances = one({0, 0, 1, 2, 3});
    options.startInstances = one({0, 0, 1, 2});
    options.minSpareInstances = one({0, 0, 1, 3});
    options.maxSpareInstances = one({0, 0, 1, 4});
    options.threads = one({1, 1, 3});
    options.maxRequests = one({0, 0, 1, 5, 20});
    options.maxQueueSize = one({0, 1, 3, 20});
    options.maxQueueTime = std::chrono::milliseconds(one({0, 0, 100, 2000}));
    options.rollingRestarts = one({0, 1}) == 1;
    return options;
}

PoolSettings makeSettings(std::uint32_t taste) {
    Random random(taste);
    PoolSettings settings;
    settings.maxSize = 1 + static_cast<unsigned>(random() % 8);
    settings.maxInstancesPerApp = static_cast<unsigned>(random() % 4);
    settings.idleTime =
        pick(std::initializer_list<std::chrono::seconds>{0s, 1s, 5s, 60s}, static_cast<std::uint32_t>(random()));
    return settings;
}

std::string describe(const Options &o) {
    return fmt::format(
        "min {} max {} start {} spare {} to {} threads {} maxRequests {} maxQueueSize {} maxQueueTime {} ms{}",
        o.minInstances, o.maxInstances, o.startInstances, o.minSpareInstances, o.maxSpareInstances, o.threads,
        o.maxRequests, o.maxQueueSize, o.maxQueueTime.count(), o.rollingRestarts ? " rolling" : "");
}

std::string describe(const PoolSettings &s) {
    return fmt::format("pool {} per app {} idle time {} s", s.maxSize, s.maxInstancesPerApp,
                       std::chrono::duration_cast<std::chrono::seconds>(s.idleTime).count());
}

std::string describe(const PoolSnapshot &snapshot) {
    std::string text;
    for (const GroupSnapshot &group : snapshot.groups) {
        text += fmt::format("  {}: {} waiting, {} starting", group.name, group.queue.waiting, group.starting);
        for (const ProcessSnapshot &instance : group.processes) {
            text +=
                fmt::format(", {} {}{} {}/{}", instance.id.value(), instance.state,
                            instance.replacementReason.empty() ? "" : " due", instance.sessions, instance.concurrency);
        }
    }
    return text;
}

/** Makes things happen. Each method returns what it did, in words; empty: nothing, for there was
 *  nothing to do it with. */
class Player {
public:
    Player(PoolWorld &world, PoolModel &model) : world_(world), model_(model) {}

    std::string play(const Happening &happening) {
        switch (happening.kind) {
            case Kind::ASK:
            case Kind::ASK_FOR_ONE: return ask(happening);
            case Kind::RELEASE:
            case Kind::CANCEL: return leave(happening);
            case Kind::BOOT:
            case Kind::FAIL_BOOT: return boot(happening);
            case Kind::KILL:
            case Kind::DETACH: return toInstance(happening);
            case Kind::RESTART:
            case Kind::CHANGE_OPTIONS: return toApp(happening);
            default: return toPool(happening);
        }
    }

private:
    std::string ask(const Happening &happening) {
        if (model_.waiters().size() >= MOST_WAITERS) {
            return "";
        }
        // Some applications are busier than others.
        const std::size_t app = std::min(happening.what % APPS, happening.how % APPS);
        std::uint32_t stickyId = 0;
        if (happening.kind == Kind::ASK_FOR_ONE) {
            const std::vector<ProcessSnapshot> instances = instancesOf(app);
            stickyId = instances.empty() ? 4711 : world_.spawners().stickyIdOf(pick(instances, happening.how / 8).id);
        }
        model_.ask(app, stickyId);
        return fmt::format("ask(app {}{})", app, stickyId != 0 ? ", sticky" : "");
    }

    std::string leave(const Happening &happening) {
        const bool served = happening.kind == Kind::RELEASE;
        const auto &list = served ? model_.sessions() : model_.waiters();
        if (list.empty()) {
            return "";
        }
        const std::size_t index = happening.what % list.size();
        std::string text =
            fmt::format("{}(request {} of app {}{})", served ? "release" : "cancel", list[index]->number,
                        list[index]->app, served ? fmt::format(", instance {}", list[index]->instance.value()) : "");
        served ? model_.release(index) : model_.cancel(index);
        return text;
    }

    std::string boot(const Happening &happening) {
        const std::vector<SteeredSpawners::Boot> boots = world_.spawners().boots();
        if (boots.empty()) {
            return "";
        }
        const SteeredSpawners::Boot chosen = pick(boots, happening.what);
        const bool succeeds = happening.kind == Kind::BOOT;
        model_.finish(chosen, succeeds);
        return fmt::format("boot of {} {}", chosen.appRoot, succeeds ? "succeeds" : "fails");
    }

    std::string toInstance(const Happening &happening) {
        const std::vector<ProcessSnapshot> instances = model_.instances();
        if (instances.empty()) {
            return "";
        }
        const InstanceId id = pick(instances, happening.what).id;
        switch (happening.kind) {
            case Kind::KILL:
                return pick(instances, happening.what).state != nameOf(Process::State::STANDBY) && model_.kill(id)
                           ? fmt::format("kill({})", id.value())
                           : "";
            default: world_.pool().detach(id); return fmt::format("detach({})", id.value());
        }
    }

    std::string toApp(const Happening &happening) {
        const std::size_t app = happening.what % APPS;
        if (happening.kind == Kind::RESTART) {
            return world_.pool().restart(world_.options(app).groupName()) ? fmt::format("restart(app {})", app) : "";
        }
        world_.options(app) = makeOptions(app, happening.how);
        return fmt::format("options of app {}: {}", app, describe(world_.options(app)));
    }

    std::string toPool(const Happening &happening) {
        switch (happening.kind) {
            case Kind::PASS:
                world_.pass(pick(TIMES, happening.what));
                return fmt::format("pass({} ms)", pick(TIMES, happening.what).count());
            case Kind::RESIZE:
                world_.pool().setMax(1 + happening.what % 8);
                return fmt::format("setMax({})", 1 + happening.what % 8);
            case Kind::CONFIGURE:
                world_.pool().configure(makeSettings(happening.what));
                return fmt::format("configure({})", describe(makeSettings(happening.what)));
            case Kind::CLEAR: world_.pool().clear(); return "clear()";
            case Kind::LOAD:
                world_.cpu().idle = happening.what % 4;
                return fmt::format("{} cores are idle", happening.what % 4);
            default: model_.calmDown(); return "calmDown()";
        }
    }

    std::vector<ProcessSnapshot> instancesOf(std::size_t app) const {
        for (const GroupSnapshot &group : model_.snapshot().groups) {
            if (group.root == world_.options(app).appRoot) {
                return group.processes;
            }
        }
        return {};
    }

    PoolWorld &world_;
    PoolModel &model_;
};

Happening makeHappening(Random &random) {
    unsigned sum = 0;
    for (const Frequency &frequency : FREQUENCIES) {
        sum += frequency.weight;
    }
    auto rest = static_cast<unsigned>(random() % sum);
    const Frequency *chosen = std::begin(FREQUENCIES);
    while (rest >= chosen->weight) {
        rest -= chosen->weight;
        chosen++;
    }
    return Happening{chosen->kind, static_cast<std::uint32_t>(random() >> 32),
                     static_cast<std::uint32_t>(random() >> 32)};
}

}  // namespace

PoolScript::PoolScript(std::uint64_t seed, std::size_t length) {
    Random random(seed);
    settings_ = makeSettings(static_cast<std::uint32_t>(random()));
    calmEnd_ = random() % 4 != 0;
    for (std::size_t app = 0; app < APPS; app++) {
        apps_.push_back(makeOptions(app, static_cast<std::uint32_t>(random())));
    }
    for (std::size_t i = 0; i < length; i++) {
        happenings_.push_back(makeHappening(random));
    }
}

std::string PoolScript::play(std::vector<std::string> *story) const {
    const auto tell = [&](const std::string &text) {
        if (story != nullptr && (story->empty() || story->back() != text)) {
            story->push_back(text);
        }
    };
    tell(describe(settings_));
    for (const Options &options : apps_) {
        tell(options.appGroupName + ": " + describe(options));
    }
    PoolWorld world(apps_, settings_);
    PoolModel model(world);
    Player player(world, model);
    if (story != nullptr) {
        model.observer = [&](const PoolSnapshot &snapshot) { tell(describe(snapshot)); };
    }
    try {
        for (const Happening &happening : happenings_) {
            const std::string what = player.play(happening);
            if (!what.empty()) {
                tell(what);
                model.check();
            }
        }
        if (calmEnd_) {
            tell("calmDown()");
            model.calmDown();
        }
        model.end();
    } catch (const std::exception &broken) {
        tell(broken.what());
        return broken.what();
    }
    return "";
}

void PoolScript::shorten() {
    const auto deadline = std::chrono::steady_clock::now() + 15s;
    for (std::size_t part = happenings_.size() / 2; part > 0; part /= 2) {
        for (std::size_t at = 0; at < happenings_.size() && std::chrono::steady_clock::now() < deadline;) {
            PoolScript without = *this;
            const auto begin = without.happenings_.begin() + static_cast<std::ptrdiff_t>(at);
            const auto size = static_cast<std::ptrdiff_t>(std::min(part, happenings_.size() - at));
            without.happenings_.erase(begin, begin + size);
            if (without.play().empty()) {
                at += part;
            } else {
                *this = std::move(without);
            }
        }
    }
}

}  // namespace Passenger
