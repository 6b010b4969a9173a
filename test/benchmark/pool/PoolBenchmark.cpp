/*
 * What the Pool itself costs: exchanges with dummy instances, from a session's beginning to the end
 * of its answer, which is empty. What the instance does for it counts, too.
 *
 * Rates are of the threads' own CPU time, and each figure is the best of many short rounds that
 * take turns: what else runs on the machine takes caches away, and gives nothing. Fails when a
 * figure is not what doc/PERFORMANCE.md promises.
 */
#include <sys/resource.h>
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

#include "base/SystemClock.h"
#include "log/Log.h"
#include "pool/ChannelRegistry.h"
#include "pool/Pool.h"
#include "pool/SystemCpuLoad.h"
#include "support/DummySpawnerFactory.h"
#include "support/NoDescriptorStore.h"

namespace Passenger {

namespace {

using std::chrono::nanoseconds;

constexpr unsigned APPS = 1000;
constexpr unsigned ROUNDS = 49;
constexpr unsigned EXCHANGES = 3000;
constexpr unsigned SNAPSHOTS = 5;
constexpr unsigned THREADS = 2;

// What is promised.
constexpr double MIN_RATE = 8e4;
constexpr double MAX_RATIO = 2;
constexpr nanoseconds MAX_SNAPSHOT = std::chrono::milliseconds(10);

/** The CPU time of the calling thread, user and system. */
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
    void add(nanoseconds time, unsigned times) { best_ = std::min(best_, static_cast<double>(time.count()) / times); }
    /** In nanoseconds. */
    double each() const { return best_; }
    double rate() const { return 1e9 / best_; }

private:
    double best_ = std::numeric_limits<double>::infinity();
};

Options app(unsigned number) {
    Options options;
    options.appRoot = fmt::format("/srv/www/customers/app{:04}/current", number);
    return options;
}

/** A pool in which so many applications have an instance each. The instances are driven by who
 *  sends the requests. */
class WarmPool {
public:
    WarmPool(EventLoop &loop, unsigned apps) : channels_(loop), pool_(parts(loop), settings(apps)) {
        for (unsigned i = 0; i < apps; i++) {
            options_.push_back(app(i));
            begin(options_.back(), 1);
        }
    }

    /** A whole exchange with each of the applications with these numbers. */
    void use(const std::vector<unsigned> &order) {
        std::vector<char> buffer(MessageSession::BUFFER_SIZE);
        for (const unsigned number : order) {
            const MessageSessionPtr session = start(options_[number]);
            finish(*session, factory_.instances().at(number), buffer);
        }
    }
    /** Uses the first application, by one of its instances. */
    void useFirst(unsigned exchanges, unsigned instance) {
        std::vector<char> buffer(MessageSession::BUFFER_SIZE);
        DummyInstance &mine = factory_.instances().at(instance);
        for (unsigned i = 0; i < exchanges; i++) {
            const MessageSessionPtr session = start(options_.front());
            finish(*session, mine, buffer);
        }
    }
    /** So many instances of the first application. */
    void widen(unsigned instances) {
        pool_.clear();
        begin(options_.front(), instances);
    }
    std::size_t inspect() const { return pool_.inspect().groups.size(); }

private:
    Pool::Parts parts(EventLoop &loop) { return {loop, factory_, channels_, SystemClock::instance(), store_, cpu_}; }
    static PoolSettings settings(unsigned apps) {
        PoolSettings settings;
        settings.maxSize = apps + THREADS;
        return settings;
    }
    MessageSessionPtr start(const Options &options) {
        MessageSessionPtr session = pool_.get(options);
        if (const auto refusal = session->start({})) {
            fmt::print("{}\n", refusal->text);
            std::exit(EXIT_FAILURE);
        }
        return session;
    }
    /** The instance answers until the session has its answer, which another one may give, too. */
    static void finish(MessageSession &session, DummyInstance &instance, std::vector<char> &buffer) {
        do {
            if (const auto thread = instance.take()) {
                instance.answer(*thread);
            }
        } while (!session.replyWaiting());
        session.receive(buffer, -1, std::chrono::milliseconds(-1));
    }
    void begin(const Options &options, unsigned instances) {
        std::vector<MessageSessionPtr> sessions;
        for (unsigned i = 0; i < instances; i++) {
            sessions.push_back(start(options));
        }
        unsigned taken = 0;
        while (taken < instances) {
            factory_.instances().step([&](DummyInstance &, unsigned) { taken++; });
            std::this_thread::yield();
        }
        const std::size_t made = factory_.instances().count();
        std::vector<char> buffer(MessageSession::BUFFER_SIZE);
        for (std::size_t i = made - instances; i < made; i++) {
            factory_.instances().at(i).answer(0);
        }
        for (const MessageSessionPtr &session : sessions) {
            session->receive(buffer, -1, std::chrono::milliseconds(-1));
        }
    }

    ChannelRegistry channels_;
    DummySpawnerFactory factory_{DummyInstances::Driven::BY_HAND};
    NoDescriptorStore store_;
    SystemCpuLoad cpu_;
    std::vector<Options> options_;
    Pool pool_;
};

std::vector<unsigned> randomOrder() {
    std::vector<unsigned> order(EXCHANGES);
    std::mt19937 random(1);
    std::generate(order.begin(), order.end(), [&] { return static_cast<unsigned>(random() % APPS); });
    return order;
}

/** CPU time of all threads together. */
nanoseconds contend(WarmPool &pool) {
    std::atomic<unsigned> ready{0};
    std::vector<nanoseconds> times(THREADS);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < THREADS; i++) {
        threads.emplace_back([&, i] {
            ready++;
            while (ready < THREADS) {
                std::this_thread::yield();
            }
            times[i] = measure([&] { pool.useFirst(EXCHANGES, i + 1); });
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
    const std::vector<unsigned> first(EXCHANGES, 0);
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
        alone.add(measure([&] { one.use(first); }), EXCHANGES);
        scattered.add(measure([&] { many.use(any); }), EXCHANGES);
        contended.add(contend(shared), THREADS * EXCHANGES);
        snapshot.add(measure([&] {
                         for (unsigned i = 0; i < SNAPSHOTS; i++) {
                             many.inspect();
                         }
                     }),
                     SNAPSHOTS);
    }
    const double ratio = scattered.each() / alone.each();
    bool kept = report("exchange, 1 application", fmt::format("{:.0f}/s", alone.rate()),
                       fmt::format("at least {:.0f}/s", MIN_RATE), alone.rate() >= MIN_RATE);
    report(fmt::format("exchange, {} in random order", APPS), fmt::format("{:.0f}/s", scattered.rate()), "", true);
    kept = report("  its cost in that of 1 application", fmt::format("{:.2f}", ratio),
                  fmt::format("at most {}", MAX_RATIO), ratio <= MAX_RATIO) &&
           kept;
    report(fmt::format("exchange, 1, by {} threads at once", THREADS), fmt::format("{:.0f}/s of CPU", contended.rate()),
           "", true);
    return report(fmt::format("snapshot of {} applications", APPS), fmt::format("{:.2f} ms", snapshot.each() / 1e6),
                  fmt::format("under {} ms", MAX_SNAPSHOT / std::chrono::milliseconds(1)),
                  snapshot.each() < static_cast<double>(MAX_SNAPSHOT.count())) &&
           kept;
}

}  // namespace

}  // namespace Passenger

int main() {
    // Each application has a queue, memory files and an instance.
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    Passenger::Log::setLevel(Passenger::LogLevel::WARN);
    return Passenger::measureAll() ? EXIT_SUCCESS : EXIT_FAILURE;
}
