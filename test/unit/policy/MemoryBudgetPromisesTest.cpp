// What MemoryBudget promises, in random states and over simulated hours.

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "policy/MemoryAdmission.h"
#include "policy/MemoryBudget.h"
#include "policy/MemoryGrowth.h"
#include "policy/MemoryRelief.h"
#include "support/Sanitizer.h"

namespace Passenger {

using namespace std::chrono_literals;

namespace {

using Action = MemoryBudget::Action;
using Kind = Action::Kind;
using Start = MemoryAdmission::Start;
using State = BudgetInstance::State;
using Verdict = MemoryAdmission::Verdict;

/** Random states of each test. A sanitizer's build takes ten times as long for each. */
constexpr int STATES = SANITIZED ? 2'000 : 20'000;

/** An application of the simulation. Sizes in MB. */
struct SimulatedApp {
    unsigned wanted = 1;
    double fresh = 60;
    /** What the first ten seconds add. */
    double warm = 0;
    /** In a second. */
    double leak = 0;
    unsigned mostReplacedAnHour = 0;
    /** The longest time without an instance, in seconds; starts and drains included. */
    unsigned longestWait = 0;

    // What happened.
    unsigned starting = 0;
    unsigned restored = 0;
    unsigned waits = 0;
    unsigned mostWaits = 0;
    unsigned served = 0;
    unsigned replaced = 0;
    std::optional<MonotonicTime> ready{};
    std::optional<MonotonicTime> waitsSince{};
};

struct SimulatedInstance {
    std::size_t app = 0;
    MonotonicTime since{};
    double size = 0;
    MemoryGrowth growth{};
    bool due = false;
    bool busy = false;
    std::optional<MonotonicTime> leaves{};
};

/** A server with a budget of 1000 MB, in steps of a second. Each start and each drain takes two. */
class Simulation {
public:
    explicit Simulation(std::vector<SimulatedApp> apps) : apps(std::move(apps)) {}

    void run(std::chrono::seconds time) {
        for (const MonotonicTime end = now_ + time; now_ < end; now_ += 1s) {
            step();
        }
    }

    std::vector<SimulatedApp> apps;
    double most = 0;

private:
    void step() {
        std::erase_if(instances_, [this](const auto &one) { return one.leaves && now_ - *one.leaves >= 2s; });
        double used = 0;
        for (SimulatedInstance &one : instances_) {
            const SimulatedApp &app = apps[one.app];
            one.size += app.leak + (now_ - one.since <= 10s ? app.warm / 10 : 0);
            one.growth.note(now_ - one.since, static_cast<std::uint64_t>(one.size));
            used += one.size;
        }
        most = std::max(most, used);
        for (const Action &action : reliefOf(MemoryBudget(look()))) {
            act(action);
        }
        for (std::size_t i = 0; i < apps.size(); i++) {
            grow(i);
        }
    }

    std::vector<SimulatedInstance *> serving(std::size_t app) {
        std::vector<SimulatedInstance *> found;
        for (SimulatedInstance &one : instances_) {
            if (one.app == app && !one.leaves) {
                found.push_back(&one);
            }
        }
        return found;
    }

    BudgetSnapshot look() {
        BudgetSnapshot snapshot{.now = now_, .budget = 1000, .apps = {}, .instances = {}};
        for (std::size_t i = 0; i < apps.size(); i++) {
            const SimulatedApp &app = apps[i];
            snapshot.apps.push_back({.fresh = static_cast<std::uint64_t>(app.fresh),
                                     .starting = app.starting,
                                     .waited = app.waitsSince ? now_ - *app.waitsSince : 0s});
            std::vector<SimulatedInstance *> own = serving(i);
            for (std::size_t k = 0; k < own.size(); k++) {
                own[k]->busy = k < app.wanted;
            }
        }
        for (const SimulatedInstance &one : instances_) {
            const State state = one.leaves ? State::LEAVING : one.busy ? State::BUSY : State::IDLE;
            snapshot.instances.push_back({.app = one.app,
                                          .state = state,
                                          .bytes = static_cast<std::uint64_t>(one.size),
                                          .grown = one.growth.grown(),
                                          .growsOn = one.growth.goesOn(),
                                          .due = one.due,
                                          .since = one.leaves.value_or(one.since)});
        }
        return snapshot;
    }

    void act(const Action &action) {
        SimulatedInstance &one = instances_[action.instance];
        CPPUNIT_ASSERT(!one.leaves);
        if (action.kind == Kind::REPLACE) {
            one.due = true;
            apps[one.app].replaced++;
            return;
        }
        CPPUNIT_ASSERT_EQUAL(!one.busy, action.kind == Kind::END);
        one.leaves = now_;
    }

    bool admit(std::size_t app, Start start) {
        const MemoryAdmission admission = MemoryAdmission::of(MemoryBudget(look()), app, start);
        for (const Action &action : admission.actions) {
            act(action);
        }
        if (admission.verdict == Verdict::PREDECESSOR_FIRST) {
            for (SimulatedInstance *one : serving(app)) {
                one->leaves = one->due ? std::optional(now_) : std::nullopt;
                apps[app].restored += one->due ? 1 : 0;
            }
        }
        return admission.verdict == Verdict::START;
    }

    /** One start at a time in each application. */
    void grow(std::size_t index) {
        SimulatedApp &app = apps[index];
        if (app.ready && now_ >= *app.ready) {
            app.ready.reset();
            app.starting = 0;
            for (SimulatedInstance *one : serving(index)) {
                one->leaves = one->due ? std::optional(now_) : std::nullopt;
            }
            instances_.push_back({.app = index, .since = now_, .size = app.fresh});
        }
        const std::vector<SimulatedInstance *> own = serving(index);
        const bool due = std::any_of(own.begin(), own.end(), [](const auto *one) { return one->due; });
        const bool missing = own.size() < app.wanted;
        if (app.starting == 0 && (due || missing)) {
            const Start start = due ? Start::REPLACE : app.restored > 0 ? Start::RESTORE : Start::GROW;
            if (admit(index, start)) {
                app.starting = 1;
                app.restored = 0;
                app.ready = now_ + 2s;
                app.waitsSince.reset();
            } else if (own.empty() && !app.waitsSince) {
                app.waitsSince = now_;
            }
        }
        app.waits = serving(index).empty() ? app.waits + 1 : 0;
        app.mostWaits = std::max(app.mostWaits, app.waits);
        app.served += app.waits == 0 ? 1 : 0;
    }

    MonotonicTime now_{1h};
    std::vector<SimulatedInstance> instances_;
};

}  // namespace

class MemoryBudgetPromisesTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MemoryBudgetPromisesTest);
    CPPUNIT_TEST(testInRandomStatesNothingExceedsTheBudgetNorEndsInVain);
    CPPUNIT_TEST(testInRandomStatesReliefEndsNothingTwiceAndComesToAnEnd);
    CPPUNIT_TEST(testAFirstInstanceThatHasWaitedAlwaysComes);
    CPPUNIT_TEST(testBesideLeaksHonestApplicationsServe);
    CPPUNIT_TEST(testAFullServerComesToRest);
    CPPUNIT_TEST(testAnOversizedApplicationServesBesideOthers);
    CPPUNIT_TEST_SUITE_END();

    static constexpr MonotonicTime NOW{1h};

    std::mt19937 random_{4711};

    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    BudgetSnapshot randomState() {
        BudgetSnapshot snapshot{.now = NOW, .budget = 1000, .pressed = below(5) == 0, .apps = {}, .instances = {}};
        snapshot.apps.resize(1 + below(5));
        for (BudgetApp &app : snapshot.apps) {
            app = {.budget = below(4) == 0 ? 100 + below(500) : 0,
                   .fresh = 20 + below(300),
                   .starting = below(4) == 0 ? 1U : 0U,
                   .startedAt = NOW,
                   .pressed = below(8) == 0,
                   .waited = std::chrono::seconds(below(60))};
        }
        snapshot.instances.resize(below(10));
        for (BudgetInstance &one : snapshot.instances) {
            const unsigned app = below(static_cast<unsigned>(snapshot.apps.size()));
            const auto fresh = static_cast<unsigned>(snapshot.apps[app].fresh);
            const unsigned grown = below(fresh);
            one = {.app = app,
                   .state = static_cast<State>(below(4)),
                   .bytes = fresh + grown,
                   .grown = grown,
                   .growsOn = below(2) == 0,
                   .due = below(4) == 0,
                   .since = NOW - std::chrono::seconds(below(100))};
        }
        return snapshot;
    }

    static std::uint64_t usedIn(const BudgetSnapshot &snapshot, std::optional<std::size_t> app) {
        std::uint64_t sum = 0;
        for (const BudgetInstance &one : snapshot.instances) {
            sum += !app || one.app == *app ? one.bytes : 0;
        }
        for (std::size_t i = 0; i < snapshot.apps.size(); i++) {
            sum += !app || i == *app ? snapshot.apps[i].starting * snapshot.apps[i].fresh : 0;
        }
        return sum;
    }

    /** All that leave have left. */
    static void finish(BudgetSnapshot &snapshot) {
        std::erase_if(snapshot.instances, [](const auto &one) { return one.state == State::LEAVING; });
    }

    static void end(BudgetSnapshot &snapshot, const std::vector<Action> &actions) {
        for (const Action &action : actions) {
            BudgetInstance &one = snapshot.instances[action.instance];
            CPPUNIT_ASSERT(one.state == (action.kind == Kind::END ? State::IDLE : State::BUSY));
            one.state = State::LEAVING;
            one.since = NOW;
        }
    }

    static void assertKeepsBudgets(const BudgetSnapshot &snapshot, std::size_t app) {
        const std::uint64_t size = snapshot.apps[app].fresh;
        const std::uint64_t own = usedIn(snapshot, app);
        const std::uint64_t all = usedIn(snapshot, std::nullopt);
        const std::uint64_t most = snapshot.apps[app].budget;
        CPPUNIT_ASSERT(most == 0 || own == 0 || own + size <= most);
        CPPUNIT_ASSERT(all == 0 || all + size <= snapshot.budget);
    }

    static bool serves(const BudgetSnapshot &snapshot, std::size_t app, bool due) {
        return std::any_of(snapshot.instances.begin(), snapshot.instances.end(), [&](const auto &one) {
            return one.app == app && (one.due || !due) && (one.state == State::IDLE || one.state == State::BUSY);
        });
    }

    /** Whether the start comes when all that was told to end has ended. */
    static bool comes(BudgetSnapshot snapshot, std::size_t app, Start start) {
        for (int round = 0; round < 30; round++) {
            const Start next = start == Start::DEPLOY && !serves(snapshot, app, false) ? Start::RESTORE : start;
            const bool leaves = std::any_of(snapshot.instances.begin(), snapshot.instances.end(),
                                            [](const auto &one) { return one.state == State::LEAVING; });
            const MemoryAdmission admission = MemoryAdmission::of(MemoryBudget(snapshot), app, next);
            if (admission.verdict == Verdict::START) {
                assertKeepsBudgets(snapshot, app);
                return true;
            }
            end(snapshot, admission.actions);
            if (admission.verdict == Verdict::PREDECESSOR_FIRST) {
                const auto old =
                    std::find_if(snapshot.instances.begin(), snapshot.instances.end(), [&](const BudgetInstance &one) {
                        return one.app == app && (next == Start::DEPLOY || one.due) &&
                               (one.state == State::IDLE || one.state == State::BUSY);
                    });
                CPPUNIT_ASSERT(old != snapshot.instances.end());
                old->state = State::LEAVING;
                start = next == Start::DEPLOY ? next : Start::RESTORE;
            } else if (admission.actions.empty() && !leaves) {
                return false;
            }
            finish(snapshot);
        }
        return false;
    }

    static std::string describe(const Simulation &simulation) {
        std::string text = "most " + std::to_string(simulation.most) + " MB;";
        for (const SimulatedApp &app : simulation.apps) {
            text += " served " + std::to_string(app.served) + " s, waited " + std::to_string(app.mostWaits) +
                    " s, replaced " + std::to_string(app.replaced) + ";";
        }
        return text;
    }

    static void check(const Simulation &simulation, unsigned hours, double most) {
        CPPUNIT_ASSERT_MESSAGE(describe(simulation), simulation.most <= most);
        for (const SimulatedApp &app : simulation.apps) {
            CPPUNIT_ASSERT_MESSAGE(describe(simulation), app.mostWaits <= app.longestWait);
            CPPUNIT_ASSERT_MESSAGE(describe(simulation), app.replaced <= hours * app.mostReplacedAnHour);
        }
    }

public:
    void testInRandomStatesNothingExceedsTheBudgetNorEndsInVain() {
        for (int i = 0; i < STATES; i++) {
            const BudgetSnapshot state = randomState();
            for (std::size_t app = 0; app < state.apps.size(); app++) {
                // Another one that has waited longer may get what comes.
                BudgetSnapshot snapshot = state;
                for (std::size_t other = 0; other < state.apps.size(); other++) {
                    snapshot.apps[other].waited = other == app ? state.apps[app].waited : 0s;
                }
                for (const Start start : {Start::GROW, Start::RESTORE, Start::REPLACE, Start::DEPLOY}) {
                    const bool succeeds = start == Start::REPLACE || start == Start::DEPLOY;
                    if (succeeds && !serves(snapshot, app, start == Start::REPLACE)) {
                        continue;
                    }
                    const MemoryAdmission admission = MemoryAdmission::of(MemoryBudget(snapshot), app, start);
                    if (admission.verdict == Verdict::START) {
                        assertKeepsBudgets(snapshot, app);
                    }
                    if (!admission.actions.empty() || admission.verdict == Verdict::PREDECESSOR_FIRST) {
                        CPPUNIT_ASSERT_MESSAGE("state " + std::to_string(i) + ", application " + std::to_string(app) +
                                                   ", start " + std::to_string(static_cast<int>(start)),
                                               comes(snapshot, app, start));
                    }
                }
            }
        }
    }

    void testInRandomStatesReliefEndsNothingTwiceAndComesToAnEnd() {
        for (int i = 0; i < STATES; i++) {
            BudgetSnapshot snapshot = randomState();
            std::vector<Action> actions = reliefOf(MemoryBudget(snapshot));
            for (const Action &action : actions) {
                const BudgetInstance &one = snapshot.instances[action.instance];
                CPPUNIT_ASSERT_MESSAGE("One that works stays within the budget",
                                       action.kind != Kind::END_AFTER_REQUESTS ||
                                           MemoryBudget(snapshot).isExceeded(std::nullopt) ||
                                           MemoryBudget(snapshot).isExceeded(one.app));
            }
            std::erase_if(actions, [](const Action &action) { return action.kind == Kind::REPLACE; });
            end(snapshot, actions);
            for (const Action &action : reliefOf(MemoryBudget(snapshot))) {
                CPPUNIT_ASSERT_MESSAGE("What has to end ends at once",
                                       snapshot.pressed || action.kind == Kind::REPLACE ||
                                           snapshot.apps[snapshot.instances[action.instance].app].pressed);
            }
        }
    }

    void testAFirstInstanceThatHasWaitedAlwaysComes() {
        for (int i = 0; i < STATES; i++) {
            BudgetSnapshot snapshot = randomState();
            for (BudgetInstance &one : snapshot.instances) {
                one.state = one.state == State::HELD ? State::BUSY : one.state;
                one.since = NOW - 1min;
            }
            for (BudgetApp &app : snapshot.apps) {
                app.starting = 0;
                app.waited = 0s;
            }
            snapshot.apps.push_back({.fresh = 20 + below(980), .waited = 30s});
            CPPUNIT_ASSERT(comes(snapshot, snapshot.apps.size() - 1, Start::GROW));
        }
    }

    void testBesideLeaksHonestApplicationsServe() {
        Simulation simulation({{.wanted = 2, .fresh = 60, .warm = 40, .longestWait = 3},
                               {.wanted = 1, .fresh = 60, .warm = 60, .longestWait = 3},
                               {.wanted = 1, .fresh = 80, .leak = 0.2, .mostReplacedAnHour = 20, .longestWait = 10},
                               {.wanted = 1, .fresh = 80, .leak = 10, .mostReplacedAnHour = 100, .longestWait = 40},
                               {.wanted = 3, .fresh = 50, .leak = 1, .mostReplacedAnHour = 180, .longestWait = 40}});
        simulation.run(4h);
        check(simulation, 4, 1030);
    }

    void testAFullServerComesToRest() {
        std::vector<SimulatedApp> apps(6, {.wanted = 3, .fresh = 40, .warm = 40, .longestWait = 40});
        Simulation simulation(std::move(apps));
        simulation.run(10min);
        for (SimulatedApp &app : simulation.apps) {
            app.served = app.mostWaits = app.replaced = 0;
        }
        simulation.run(2h);
        for (SimulatedApp &app : simulation.apps) {
            app.longestWait = 0;
        }
        check(simulation, 2, 1150);
    }

    void testAnOversizedApplicationServesBesideOthers() {
        std::vector<SimulatedApp> apps(5, {.fresh = 120, .longestWait = 45});
        apps.push_back({.fresh = 600, .longestWait = 60});
        Simulation simulation(std::move(apps));
        simulation.run(2h);
        check(simulation, 2, 1000);
        for (std::size_t i = 0; i < 5; i++) {
            CPPUNIT_ASSERT_MESSAGE(describe(simulation), simulation.apps[i].served >= 7200 / 2);
        }
        CPPUNIT_ASSERT_MESSAGE(describe(simulation), simulation.apps[5].served >= 7200 / 20);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MemoryBudgetPromisesTest);

}  // namespace Passenger
