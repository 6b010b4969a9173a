/*
 * The cost of the Pool itself. Sessions with instances in memory are opened and closed, and do
 * nothing.
 *
 * Rates are of the threads' own CPU time. Each figure is the best of many short rounds that take
 * turns: other work on the machine can only slow a round. The program fails if a figure misses the
 * promise of doc/PERFORMANCE.md.
 */
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "log/Log.h"
#include "pool/ChannelRegistry.h"
#include "pool/Pool.h"
#include "spawning/DummySpawner.h"

namespace Passenger {

namespace {

using std::chrono::nanoseconds;

constexpr unsigned APPS = 1000;
constexpr unsigned ROUNDS = 99;
constexpr unsigned SESSIONS = 30000;
constexpr unsigned SNAPSHOTS = 5;
constexpr unsigned THREADS = 2;

// Promised figures.
constexpr double MIN_RATE = 1e6;
constexpr double MAX_RATIO = 1.5;
constexpr nanoseconds MAX_SNAPSHOT = std::chrono::milliseconds(5);

/** User and system time of the calling thread. */
nanoseconds cpuTime() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

template <typename Work> nanoseconds measure(const Work &work) {
    const nanoseconds begin = cpuTime();
    work();
    return cpuTime() - begin;
}

/** The best of all rounds. */
class Figure {
public:
    void add(nanoseconds time, unsigned times) {
        best_ = std::min(best_, static_cast<double>(time.count()) / times);
    }
    /** In nanoseconds. */
    double each() const {
        return best_;
    }
    double rate() const {
        return 1e9 / best_;
    }

private:
    double best_ = std::numeric_limits<double>::infinity();
};

Options app(unsigned number) {
    Options options;
    options.appRoot = fmt::format("/srv/www/customers/app{:04}/current", number);
    options.spawnMethod = "dummy";
    return options;
}

/** A pool in which each of a number of applications has an instance. */
class WarmPool {
public:
    WarmPool(EventLoop &loop, unsigned apps) : channels_(loop), pool_(parts(loop), settings(apps)) {
        for (unsigned i = 0; i < apps; i++) {
            options_.push_back(app(i));
            pool_.get(options_.back());
        }
    }

    /** Opens and closes a session for each of the applications with these numbers. */
    void use(const std::vector<unsigned> &order) {
        for (const unsigned number : order) {
            pool_.get(options_[number]);
        }
    }
    /**
     * Opens this number of sessions with the first application at once; afterwards it has as many
     * instances.
     */
    void widen(unsigned sessions) {
        std::vector<SessionPtr> open;
        for (unsigned i = 0; i < sessions; i++) {
            open.push_back(pool_.get(options_.front()));
        }
    }
    std::size_t inspect() const {
        return pool_.inspect().superGroups.size();
    }

private:
    Pool::Parts parts(EventLoop &loop) {
        return {loop, factory_, channels_, SystemClock::instance(), store_, cpu_};
    }
    static PoolSettings settings(unsigned apps) {
        PoolSettings settings;
        settings.maxSize = apps + THREADS;
        return settings;
    }

    ChannelRegistry channels_;
    DummySpawnerFactory factory_;
    NoDescriptorStore store_;
    SystemCpuLoad cpu_;
    std::vector<Options> options_;
    Pool pool_;
};

std::vector<unsigned> randomOrder() {
    std::vector<unsigned> order(SESSIONS);
    std::mt19937 random(1);
    std::generate(order.begin(), order.end(), [&] { return static_cast<unsigned>(random() % APPS); });
    return order;
}

/** CPU time of all threads together. */
nanoseconds contend(WarmPool &pool, const std::vector<unsigned> &order) {
    std::atomic<unsigned> ready{0};
    std::vector<nanoseconds> times(THREADS);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < THREADS; i++) {
        threads.emplace_back([&, i] {
            ready++;
            while (ready < THREADS) {
                std::this_thread::yield();
            }
            times[i] = measure([&] { pool.use(order); });
        });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    return std::accumulate(times.begin(), times.end(), nanoseconds(0));
}

bool report(const std::string &what, const std::string &figure, const std::string &promise, bool kept) {
    fmt::print("{:<44} {:>18}   {}\n", what, figure, promise.empty() ? "" : promise + (kept ? "" : "  MISSED"));
    return kept;
}

bool measureAll() {
    const std::vector<unsigned> first(SESSIONS, 0);
    const std::vector<unsigned> any = randomOrder();
    EventLoop loop;
    WarmPool one(loop, 1);
    WarmPool many(loop, APPS);
    WarmPool shared(loop, 1);
    shared.widen(THREADS);
    Figure alone;
    Figure scattered;
    Figure contended;
    Figure snapshot;
    for (unsigned round = 0; round < ROUNDS; round++) {
        alone.add(measure([&] { one.use(first); }), SESSIONS);
        scattered.add(measure([&] { many.use(any); }), SESSIONS);
        contended.add(contend(shared, first), THREADS * SESSIONS);
        snapshot.add(measure([&] {
                         for (unsigned i = 0; i < SNAPSHOTS; i++) {
                             many.inspect();
                         }
                     }),
                     SNAPSHOTS);
    }
    const double ratio = scattered.each() / alone.each();
    bool kept = report("get and release, 1 application", fmt::format("{:.0f}/s", alone.rate()),
                       fmt::format("at least {:.0f}/s", MIN_RATE), alone.rate() >= MIN_RATE);
    report(fmt::format("get and release, {} in random order", APPS), fmt::format("{:.0f}/s", scattered.rate()), "",
           true);
    kept = report("  its cost in that of 1 application", fmt::format("{:.2f}", ratio),
                  fmt::format("at most {}", MAX_RATIO), ratio <= MAX_RATIO) &&
           kept;
    report(fmt::format("get and release, 1, by {} threads at once", THREADS),
           fmt::format("{:.0f}/s of CPU", contended.rate()), "", true);
    return report(fmt::format("snapshot of {} applications", APPS), fmt::format("{:.2f} ms", snapshot.each() / 1e6),
                  fmt::format("under {} ms", MAX_SNAPSHOT / std::chrono::milliseconds(1)),
                  snapshot.each() < static_cast<double>(MAX_SNAPSHOT.count())) &&
           kept;
}

}  // namespace

}  // namespace Passenger

int main() {
    Passenger::Log::setLevel(Passenger::LogLevel::WARN);
    return Passenger::measureAll() ? EXIT_SUCCESS : EXIT_FAILURE;
}
