#include "agent/ControlOrders.h"

#include <cppunit/extensions/HelperMacros.h>

#include <unistd.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "control/ControlVerbs.h"
#include "pool/QueuePauses.h"
#include "rights/OwnRights.h"
#include "shm/SenderMemoryView.h"
#include "shm/SharedMemory.h"
#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

/** Who may order what of the agent, and what any bytes in an order do. */
class ControlOrdersTest : public PoolContract {
    CPPUNIT_TEST_SUITE(ControlOrdersTest);
    CPPUNIT_TEST(testRootMayOrderEverything);
    CPPUNIT_TEST(testAnOwnerMayOrderWhatConcernsTheOwnApplicationAndNoOther);
    CPPUNIT_TEST(testAStrangerLearnsNothingFromARefusal);
    CPPUNIT_TEST(testAChildOfHttpdMayAskForTheStatusOnly);
    CPPUNIT_TEST(testPausesHaveLimits);
    CPPUNIT_TEST(testAnApplicationThatThePoolDoesNotKnowCountsSinceTheServersBegin);
    CPPUNIT_TEST(testARestartByRootEndsSilencesOfFileSystems);
    CPPUNIT_TEST(testAnApplicationIsFoundByItsNameInJson);
    CPPUNIT_TEST(testADrainThatChangesNothingIsNotKeptAgain);
    CPPUNIT_TEST(testAnOrderAboutTheServerLeavesTheDrainOfAnOwner);
    CPPUNIT_TEST(testHttpdLearnsWhatTheNextAgentIsToKeep);
    CPPUNIT_TEST(testDrainsThatCannotBeKeptAreRefused);
    CPPUNIT_TEST(testAnOwnerEndsADrainThatAnEarlierPoolProcessHasKept);
    CPPUNIT_TEST(testTheOwnerOfADrainedApplicationIsLearnedLater);
    CPPUNIT_TEST(testADrainOfAnEarlierVersionHasNoOwner);
    CPPUNIT_TEST(testTheDrainsOfOneOwnerLeaveRoomForOthers);
    CPPUNIT_TEST(testAPausedApplicationIsToldBeforeItsFirstRequest);
    CPPUNIT_TEST(testAnApplicationThatThePoolDoesNotKnowHasItsEnvironment);
    CPPUNIT_TEST(testAnApplicationThatOnlyDrainsOrIsPausedCanBeRestarted);
    CPPUNIT_TEST(testTheToldMemoryIsThatWhichCountsForLimits);
    CPPUNIT_TEST(testAWeightIsToldWithoutSwings);
    CPPUNIT_TEST(testAnApplicationThatWasForgottenCountsSinceItCameBack);
    CPPUNIT_TEST(testRandomOrdersOfOthersChangeNothing);
    CPPUNIT_TEST(testRandomOrdersOfRootLeaveAPoolThatServes);
    CPPUNIT_TEST_SUITE_END();

    static constexpr uid_t OWNER = 10001;
    static constexpr uid_t OTHER_OWNER = 10002;
    static constexpr uid_t STRANGER = 10003;
    static constexpr const char *BLOG = "/srv/blog (production)";
    static constexpr const char *SHOP = "/srv/shop (production)";

    const Asker root_{0, false};
    const Asker owner_{OWNER, false};
    const Asker stranger_{STRANGER, false};
    const Asker httpd_{0, true};
    class FakeRights final : public OwnRights {
    public:
        unsigned ended = 0;
        void endSilences() override { ended++; }
    };
    /** Threads that start instances use it until tearDown(). */
    FakeRights rights_;
    std::unique_ptr<SpawnManager> manager_;
    std::unique_ptr<AppResources> resources_;
    std::unique_ptr<ControlOrders> orders_;
    unsigned logsReopened_ = 0;
    unsigned drainsKept_ = 0;
    std::string drains_;

    using Words = std::vector<std::string>;

    /** @return the text of a refusal; empty: it is done */
    std::string refusal(const Asker &asker, const Words &words) {
        try {
            const Frame answer = orders_->answer(asker, Frame(FrameType::ORDER, words));
            CPPUNIT_ASSERT(answer.type == FrameType::ORDER_DONE);
            CPPUNIT_ASSERT(!answer.encode().empty());
            return "";
        } catch (const IOException &error) {
            return error.what();
        }
    }
    ServerStatus status(const Asker &asker, const std::string &app = "") {
        Frame answer = orders_->answer(asker, Frame(FrameType::ORDER, {ControlVerb::STATUS, app}));
        const auto size = static_cast<std::size_t>(answer.number(0));
        std::string text(size, '\0');
        const SharedMemory memory = SharedMemory::adopt(answer.takeDescriptor(0), size);
        memory.read(text.data(), size, 0);
        return statusFromJson(text);
    }
    /** As a pool process does: the drains are those that an earlier one has kept. */
    void begin() {
        orders_ = std::make_unique<ControlOrders>(ControlOrders::Parts{.pool = *pool_,
                                                                       .resources = *resources_,
                                                                       .reopenLogs = [this] { logsReopened_++; },
                                                                       .server =
                                                                           [] {
                                                                               ServerStatus server;
                                                                               server.since = 1000;
                                                                               return server;
                                                                           },
                                                                       .warmingUp = [] { return false; },
                                                                       .keepDrains =
                                                                           [this](const std::string &drains) {
                                                                               drainsKept_++;
                                                                               drains_ = drains;
                                                                           }},
                                                  drains_);
    }
    /** The looks of the engine at an application that the pool does not know. */
    void forgetUserOf(const std::string &name) {
        orders_->tick();
        orders_->tick();
        CPPUNIT_ASSERT(!resources_->appUsers.of(name));
    }
    /** All that concern one application. */
    static std::vector<Words> about(const std::string &app) {
        return {{ControlVerb::THREADS, app, "1"}, {ControlVerb::THREADS, app, "0"}, {ControlVerb::PAUSE, app, "60"},
                {ControlVerb::RESUME, app},       {ControlVerb::DRAIN, app, "1"},   {ControlVerb::DRAIN, app, "0"},
                {ControlVerb::RESTART, app}};
    }
    static std::vector<Words> aboutTheServer() {
        return {{ControlVerb::DRAIN, "", "1"}, {ControlVerb::DRAIN, "", "0"}, {ControlVerb::REOPEN_LOGS}};
    }
    std::uint64_t version() const { return group().version; }
    static std::string withoutName(std::string text, const std::string &name) {
        const std::size_t at = text.find(name);
        return at == std::string::npos ? text : text.erase(at, name.size());
    }
    Words random(std::mt19937 &chance) {
        static const std::vector<std::string> verbs{ControlVerb::STATUS,      ControlVerb::THREADS, ControlVerb::REPORT,
                                                    ControlVerb::RESTART,     ControlVerb::DETACH,  ControlVerb::DRAIN,
                                                    ControlVerb::PAUSE,       ControlVerb::RESUME,  ControlVerb::WEIGHT,
                                                    ControlVerb::REOPEN_LOGS, ControlVerb::KEPT};
        static const std::vector<std::string> values{BLOG,
                                                     SHOP,
                                                     "",
                                                     "0",
                                                     "1",
                                                     "60",
                                                     "3600",
                                                     "3601",
                                                     "-1",
                                                     "18446744073709551615",
                                                     "99999999999999999999",
                                                     "x",
                                                     std::string("\0", 1),
                                                     "\xff\xfe\n",
                                                     std::string(5000, 'a'),
                                                     std::to_string(::getpid()),
                                                     ControlVerb::WITH_REQUESTS,
                                                     ControlVerb::FIGURES,
                                                     ControlVerb::HEALTH};
        constexpr unsigned MOST_WORDS = 4;
        Words words;
        if (chance() % 16 != 0) {
            words.push_back(verbs[chance() % verbs.size()]);
        }
        for (unsigned left = chance() % MOST_WORDS; left > 0; left--) {
            std::string word = values[chance() % values.size()];
            if (chance() % 8 == 0 && !word.empty()) {
                word[chance() % word.size()] = static_cast<char>(chance());
            }
            words.push_back(word);
        }
        return words;
    }

public:
    void setUp() override {
        PoolContract::setUp();
        Rights::use(&rights_);
        for (const char *root : {"/srv/blog", "/srv/shop"}) {
            get(app(root)).reset();
        }
        manager_ = std::make_unique<SpawnManager>(*loop_, SpawnSettings());
        resources_ = std::make_unique<AppResources>(*loop_, *manager_);
        resources_->appUsers.set(BLOG, RunAs{"alice", "alice", OWNER, OWNER, ""});
        resources_->appUsers.set(SHOP, RunAs{"bob", "bob", OTHER_OWNER, OTHER_OWNER, ""});
        setMemory(instances(app("/srv/blog")).front().id, {.proportional = 250, .swap = 500, .swapProportional = 400});
        begin();
    }
    void tearDown() override {
        orders_.reset();
        resources_.reset();
        manager_.reset();
        PoolContract::tearDown();
        Rights::use(nullptr);
    }

    void testRootMayOrderEverything() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, status(root_).apps.size());
        for (const Words &words : about(BLOG)) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(words[0], std::string(), refusal(root_, words));
        }
        for (const Words &words : aboutTheServer()) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(words[0], std::string(), refusal(root_, words));
        }
        CPPUNIT_ASSERT_EQUAL(1U, logsReopened_);
        CPPUNIT_ASSERT_EQUAL(4U, drainsKept_);
    }

    void testAnOwnerMayOrderWhatConcernsTheOwnApplicationAndNoOther() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, status(owner_).apps.size());
        CPPUNIT_ASSERT_EQUAL(std::string(BLOG), status(owner_).apps[0].name);
        CPPUNIT_ASSERT(status(owner_, SHOP).apps.empty());
        for (const Words &words : about(BLOG)) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(words[0], std::string(), refusal(owner_, words));
        }
        for (const Words &words : about(SHOP)) {
            CPPUNIT_ASSERT_MESSAGE(words[0], !refusal(owner_, words).empty());
        }
        for (const Words &words : aboutTheServer()) {
            CPPUNIT_ASSERT_MESSAGE(words[0], !refusal(owner_, words).empty());
        }
        CPPUNIT_ASSERT_EQUAL(0U, logsReopened_);
    }

    void testAStrangerLearnsNothingFromARefusal() {
        CPPUNIT_ASSERT(status(stranger_).apps.empty());
        CPPUNIT_ASSERT(status(stranger_, BLOG).apps.empty());
        const std::string missing = "/none";
        const auto there = about(BLOG);
        const auto none = about(missing);
        for (std::size_t i = 0; i < there.size(); i++) {
            const std::string text = refusal(stranger_, there[i]);
            CPPUNIT_ASSERT_MESSAGE(there[i][0], !text.empty());
            CPPUNIT_ASSERT_EQUAL(withoutName(refusal(stranger_, none[i]), missing), withoutName(text, BLOG));
        }
    }

    void testAChildOfHttpdMayAskForTheStatusOnly() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, status(httpd_).apps.size());
        for (const Words &words : about(BLOG)) {
            CPPUNIT_ASSERT_EQUAL(std::string("a child of httpd may ask for the status only"), refusal(httpd_, words));
        }
        for (const Words &words : aboutTheServer()) {
            CPPUNIT_ASSERT_MESSAGE(words[0], !refusal(httpd_, words).empty());
        }
    }

    // Invalid UTF-8 is U+FFFD in JSON.
    void testAnApplicationIsFoundByItsNameInJson() {
        get(app("/srv/caf\xe9")).reset();
        CPPUNIT_ASSERT_EQUAL(std::string(),
                             refusal(root_, {ControlVerb::RESTART, "/srv/caf\xef\xbf\xbd (production)"}));
    }

    void testADrainThatChangesNothingIsNotKeptAgain() {
        for (const unsigned times : {1U, 1U, 2U, 2U}) {
            CPPUNIT_ASSERT_EQUAL(std::string(), refusal(owner_, {ControlVerb::DRAIN, BLOG, times == 1 ? "1" : "0"}));
            CPPUNIT_ASSERT_EQUAL(times, drainsKept_);
        }
    }

    void testAnOrderAboutTheServerLeavesTheDrainOfAnOwner() {
        refusal(owner_, {ControlVerb::DRAIN, BLOG, "1"});
        refusal(root_, {ControlVerb::DRAIN, "", "1"});
        CPPUNIT_ASSERT(status(root_).draining);
        refusal(root_, {ControlVerb::DRAIN, "", "0"});
        CPPUNIT_ASSERT(!status(root_).draining);
        CPPUNIT_ASSERT(status(root_, BLOG).apps[0].draining);
        CPPUNIT_ASSERT(!status(root_, SHOP).apps[0].draining);
    }

    void testHttpdLearnsWhatTheNextAgentIsToKeep() {
        refusal(root_, {ControlVerb::DRAIN, BLOG, "1"});
        refusal(root_, {ControlVerb::DRAIN, "", "1"});
        refusal(root_, {ControlVerb::PAUSE, SHOP, "60"});
        const Frame kept = orders_->answer(httpd_, Frame(FrameType::ORDER, {ControlVerb::KEPT}));
        CPPUNIT_ASSERT_EQUAL(fmt::format("all\n{}\t{}", BLOG, OWNER), kept.field(0));
        CPPUNIT_ASSERT(kept.field(1).ends_with(" " + std::string(SHOP) + "\n"));
        CPPUNIT_ASSERT(!refusal(root_, {ControlVerb::KEPT}).empty());
    }

    void testDrainsThatCannotBeKeptAreRefused() {
        const auto name = [](unsigned number) { return std::to_string(number) + std::string(4000, 'x'); };
        CPPUNIT_ASSERT(!refusal(root_, {ControlVerb::DRAIN, "/srv/wiki\n" + std::string(SHOP), "1"}).empty());
        CPPUNIT_ASSERT_EQUAL(0U, drainsKept_);
        while (drainsKept_ < 300 && refusal(root_, {ControlVerb::DRAIN, name(drainsKept_), "1"}).empty()) {
        }
        CPPUNIT_ASSERT(drainsKept_ > 50 && drainsKept_ < 300);
        CPPUNIT_ASSERT(refusal(httpd_, {ControlVerb::KEPT}).empty());
        CPPUNIT_ASSERT(refusal(root_, {ControlVerb::DRAIN, name(0), "0"}).empty());
    }

    // A balancer sends no request to an application that drains.
    void testAnOwnerEndsADrainThatAnEarlierPoolProcessHasKept() {
        const std::string name = "/srv/wiki (production)";
        resources_->appUsers.set(name, RunAs{"alice", "alice", OWNER, OWNER, ""});
        refusal(owner_, {ControlVerb::DRAIN, name, "1"});
        forgetUserOf(name);
        begin();
        CPPUNIT_ASSERT_EQUAL(name, status(owner_, name).apps.at(0).name);
        CPPUNIT_ASSERT(status(stranger_).apps.empty());
        CPPUNIT_ASSERT(!refusal(stranger_, {ControlVerb::DRAIN, name, "0"}).empty());
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal(owner_, {ControlVerb::DRAIN, name, "0"}));
        CPPUNIT_ASSERT_EQUAL(std::string("some"), drains_);
    }

    void testTheOwnerOfADrainedApplicationIsLearnedLater() {
        const std::string name = "/srv/wiki (production)";
        refusal(root_, {ControlVerb::DRAIN, name, "1"});
        CPPUNIT_ASSERT_EQUAL("some\n" + name, drains_);
        resources_->appUsers.set(name, RunAs{"alice", "alice", OWNER, OWNER, ""});
        orders_->tick();
        CPPUNIT_ASSERT_EQUAL(fmt::format("some\n{}\t{}", name, OWNER), drains_);
        resources_->appUsers.set(name, RunAs{"bob", "bob", OTHER_OWNER, OTHER_OWNER, ""});
        forgetUserOf(name);
        CPPUNIT_ASSERT(!refusal(owner_, {ControlVerb::DRAIN, name, "0"}).empty());
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal({OTHER_OWNER, false}, {ControlVerb::DRAIN, name, "0"}));
    }

    void testADrainOfAnEarlierVersionHasNoOwner() {
        drains_ = fmt::format("some\n{}\n/srv/wiki\t\n/srv/old\t99999999999", BLOG);
        begin();
        for (const char *name : {BLOG, "/srv/wiki", "/srv/old"}) {
            CPPUNIT_ASSERT_MESSAGE(name, status(root_, name).apps.at(0).draining);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, status(owner_).apps.size());
    }

    void testTheDrainsOfOneOwnerLeaveRoomForOthers() {
        const auto drain = [&](unsigned number) {
            const std::string name = fmt::format("/srv/{}{}", number, std::string(4000, 'x'));
            resources_->appUsers.set(name, RunAs{"alice", "alice", OWNER, OWNER, ""});
            return refusal(owner_, {ControlVerb::DRAIN, name, "1"}).empty();
        };
        unsigned drained = 0;
        while (drained < 100 && drain(drained)) {
            drained++;
        }
        CPPUNIT_ASSERT(drained > 5 && drained < 10);
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal({OTHER_OWNER, false}, {ControlVerb::DRAIN, SHOP, "1"}));
    }

    void testAPausedApplicationIsToldBeforeItsFirstRequest() {
        pool_->restore(QueuePauses::KEY, fmt::format("{} /srv/wiki (production)\n", toNanoseconds(clock_.now() + 30s)),
                       {});
        pool_->restore(QueuePauses::KEY, fmt::format("{} /srv/old (production)\n", toNanoseconds(clock_.now())), {});
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, status(httpd_).apps.size());
        const AppStatus told = status(httpd_, "/srv/wiki (production)").apps.at(0);
        CPPUNIT_ASSERT_EQUAL(std::string("paused"), told.state);
        CPPUNIT_ASSERT_EQUAL(30.0, told.queue.pausedFor);
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal(root_, {ControlVerb::RESUME, told.name}));
    }

    void testAnApplicationThatThePoolDoesNotKnowHasItsEnvironment() {
        refusal(root_, {ControlVerb::DRAIN, "/srv/wiki (staging)", "1"});
        const ServerStatus told = status(root_, "/srv/wiki (staging)");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, told.apps.size());
        CPPUNIT_ASSERT_EQUAL(std::string("staging"), told.apps[0].environment);
    }

    void testAnApplicationThatThePoolDoesNotKnowCountsSinceTheServersBegin() {
        refusal(root_, {ControlVerb::DRAIN, "/srv/wiki (staging)", "1"});
        CPPUNIT_ASSERT_EQUAL(1000.0, status(root_, "/srv/wiki (staging)").apps.at(0).since);
    }

    // A script that restarts all applications names them, too.
    void testAnApplicationThatOnlyDrainsOrIsPausedCanBeRestarted() {
        const std::string drained = "/srv/wiki (production)";
        const std::string paused = "/srv/old (production)";
        CPPUNIT_ASSERT(!refusal(root_, {ControlVerb::RESTART, drained}).empty());
        refusal(root_, {ControlVerb::DRAIN, drained, "1"});
        pool_->restore(QueuePauses::KEY, fmt::format("{} {}\n", toNanoseconds(clock_.now() + 30s), paused), {});
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal(root_, {ControlVerb::RESTART, drained}));
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal(root_, {ControlVerb::RESTART, paused}));
    }

    void testPausesHaveLimits() {
        for (const char *seconds : {"0", "3601", "18446744073709551615"}) {
            CPPUNIT_ASSERT_MESSAGE(seconds, !refusal(root_, {ControlVerb::PAUSE, BLOG, seconds}).empty());
        }
        CPPUNIT_ASSERT_EQUAL(0.0, status(root_, BLOG).apps[0].queue.pausedFor);
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal(root_, {ControlVerb::PAUSE, BLOG, "3600"}));
        CPPUNIT_ASSERT(status(root_, BLOG).apps[0].queue.pausedFor > 0);
    }

    // An owner could leave a process at files that hang with each order.
    void testARestartByRootEndsSilencesOfFileSystems() {
        refusal(owner_, {ControlVerb::RESTART, BLOG});
        CPPUNIT_ASSERT(!refusal(root_, {ControlVerb::RESTART, "/srv/wiki (production)"}).empty());
        CPPUNIT_ASSERT_EQUAL(0U, rights_.ended);
        // As restart-app --all does.
        refusal(root_, {ControlVerb::RESTART, BLOG});
        refusal(root_, {ControlVerb::RESTART, SHOP});
        CPPUNIT_ASSERT_EQUAL(1U, rights_.ended);
    }

    void testTheToldMemoryIsThatWhichCountsForLimits() {
        CPPUNIT_ASSERT(eventually([&] { return status(root_, BLOG).apps[0].instances[0].memory == 250 + 400; }));
    }

    // No tick() comes between.
    void testAWeightIsToldWithoutSwings() {
        const auto told = [this](const Asker &asker, const char *measured) {
            return orders_->answer(asker, Frame(FrameType::ORDER, {ControlVerb::WEIGHT, "", measured})).number(0);
        };
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(100), told(root_, "100"));
        CPPUNIT_ASSERT(told(root_, "50") > 50);
        // Each user has own ones.
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(50), told(stranger_, "50"));
        CPPUNIT_ASSERT(!refusal(root_, {ControlVerb::WEIGHT, "", "101"}).empty());
        CPPUNIT_ASSERT(!refusal(root_, {ControlVerb::WEIGHT, std::string(4097, 'a'), "1"}).empty());
    }

    void testAnApplicationThatWasForgottenCountsSinceItCameBack() {
        const Options rare = app("/srv/rare");
        const std::string name = rare.groupName();
        const auto answer = [&](const Attachment &attachment, unsigned times) {
            while (times-- > 0) {
                SenderMemoryView(attachment.senders).completed(0, 1ms, 1ms);
            }
        };
        answer(pool_->attach(rare), 3);
        CPPUNIT_ASSERT(eventuallyCount(3));
        advance(std::chrono::seconds(30), std::chrono::seconds(10));
        const double before = status(root_, name).apps[0].since;
        CPPUNIT_ASSERT_EQUAL(before, status(root_, name).apps[0].since);
        pool_->clear();
        step();
        CPPUNIT_ASSERT(eventuallyCount(0));
        advance(std::chrono::hours(2), std::chrono::minutes(5));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, pool_->inspect().forgotten);
        answer(pool_->attach(rare), 1);
        CPPUNIT_ASSERT(eventually([&] { return status(root_, name).apps[0].since > before + 20; }));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, status(root_, name).apps[0].windows.back().requests);
    }

    void testRandomOrdersOfOthersChangeNothing() {
        constexpr unsigned ORDERS = 3000;
        std::mt19937 chance(1);
        const std::uint64_t before = version();
        for (unsigned i = 0; i < ORDERS; i++) {
            const Words words = random(chance);
            const bool asks = !words.empty() && (words[0] == ControlVerb::STATUS || words[0] == ControlVerb::WEIGHT);
            for (const Asker &asker : {stranger_, httpd_}) {
                const bool hands = asker.isHttpd && !words.empty() && words[0] == ControlVerb::KEPT;
                const std::string text = refusal(asker, words);
                CPPUNIT_ASSERT_MESSAGE(words.empty() ? "" : words[0], asks || hands || !text.empty());
            }
        }
        CPPUNIT_ASSERT_EQUAL(before, version());
        CPPUNIT_ASSERT_EQUAL(0U, drainsKept_ + logsReopened_);
        CPPUNIT_ASSERT_EQUAL(0.0, status(root_, BLOG).apps[0].queue.pausedFor);
        CPPUNIT_ASSERT(status(stranger_).apps.empty());
    }

    void testRandomOrdersOfRootLeaveAPoolThatServes() {
        constexpr unsigned ORDERS = 1000;
        std::mt19937 chance(2);
        for (unsigned i = 0; i < ORDERS; i++) {
            refusal(root_, random(chance));
        }
        for (const char *name : {BLOG, SHOP}) {
            refusal(root_, {ControlVerb::RESUME, name});
        }
        for (const char *name : {BLOG, SHOP}) {
            CPPUNIT_ASSERT(eventually([&] { return status(root_, name).apps.size() == 1; }));
        }
        for (const char *root : {"/srv/blog", "/srv/shop"}) {
            get(app(root)).reset();
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ControlOrdersTest);

}  // namespace Passenger
