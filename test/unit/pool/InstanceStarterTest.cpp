#include "pool/InstanceStarter.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>

#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/GroupParts.h"
#include "support/NoThreads.h"
#include "support/ScaledApplication.h"

namespace Passenger {

class InstanceStarterTest : public GroupParts {
    CPPUNIT_TEST_SUITE(InstanceStarterTest);
    CPPUNIT_TEST(testAnInstanceJoinsWhenItIsReady);
    CPPUNIT_TEST(testAnAsgiApplicationHasAllRequestsAtOnceUnlessItsKindSetsALimit);
    CPPUNIT_TEST(testAStartThatFailsIsTold);
    CPPUNIT_TEST(testWithoutThreadsAStartIsTriedOnceASecondAndLoggedOnceInTen);
    CPPUNIT_TEST(testAStartOfAnOldVersionIsNoFailure);
    CPPUNIT_TEST(testALoadOfAnOldVersionTellsNothingOfThePreloaderOfTheNewOne);
    CPPUNIT_TEST(testAnInstanceOfAnOldVersionThatWasToldToServeIsNotWaitedFor);
    CPPUNIT_TEST(testAnInstanceIsWarmedUpByAQueueOfItsOwn);
    CPPUNIT_TEST(testWithALimitOfOneTheSuccessorStandsByUntilThePredecessorHasEnded);
    CPPUNIT_TEST(testTheStandbyIsDroppedIfAnotherInstanceServes);
    CPPUNIT_TEST(testNoTwoInstancesLiveAfterTheLimitWasLoweredToOne);
    CPPUNIT_TEST(testANewVersionTakesThePlaceOfAnotherStandbyInstance);
    CPPUNIT_TEST(testAnInstanceWhoseQueueWasReplacedWhileItLoadedIsNotWanted);
    CPPUNIT_TEST_SUITE_END();

    std::optional<Room> room_;
    std::optional<ScaledApplication> shop_;

    /** Under the lock, with what has been told so far. */
    bool eventuallyTold(const std::function<bool()> &condition) {
        return eventually([&] {
            factory_->instances().step([](DummyInstance &, unsigned) {});
            const PoolGuard guard(*context_);
            return condition();
        });
    }
    void make() {
        const PoolGuard guard(*context_);
        shop_.emplace(*context_, *room_, "shop", 1, options_);
        shop_->request();
    }
    ProcessPtr standby() const { return shop_->instances.standby(shop_->versions.current()); }
    ProcessPtr startSuccessor() {
        const PoolGuard guard(*context_);
        ProcessPtr old = shop_->serve();
        CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::REPLACE, old->id()));
        return old;
    }

public:
    void setUp() override {
        GroupParts::setUp();
        room_.emplace(settings_, context_->orphans, cpu_);
    }
    void tearDown() override {
        factory_->release();
        shop_.reset();
        room_.reset();
        GroupParts::tearDown();
    }

    void testAnInstanceJoinsWhenItIsReady() {
        make();
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
            CPPUNIT_ASSERT_EQUAL(1U, shop_->spawns.starting());
        }
        CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->joinedWanted == 1; }));
        CPPUNIT_ASSERT_EQUAL(1U, shop_->prepared.load());
        CPPUNIT_ASSERT_EQUAL(1U, shop_->instances.serving());
        CPPUNIT_ASSERT(shop_->spawns.none());
    }

    void testAnAsgiApplicationHasAllRequestsAtOnceUnlessItsKindSetsALimit() {
        factory_->makeResult = [this](const Options &) {
            SpawnResult result = factory_->instances().make();
            result.isAsgi = true;
            return result;
        };
        options_.threads = 3;
        for (const char *kind : {"wsgi", "asgi"}) {
            options_.appType = kind;
            make();
            {
                const PoolGuard guard(*context_);
                CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
            }
            CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->joinedWanted == 1; }));
            {
                const PoolGuard guard(*context_);
                const Socket &socket = shop_->instances.all().front()->socket();
                CPPUNIT_ASSERT_EQUAL_MESSAGE(kind, options_.isAsync(), socket.concurrency == 3);
                CPPUNIT_ASSERT_MESSAGE(kind, options_.isAsync() || socket.concurrency > 100);
                CPPUNIT_ASSERT_EQUAL(socket.concurrency, socket.cells.count);
            }
            shop_.reset();
        }
    }

    void testAStartThatFailsIsTold() {
        make();
        factory_->failuresToCome = 1;
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
        }
        CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->failuresTold.size() == 1; }));
        CPPUNIT_ASSERT_EQUAL(std::string("a failure was ordered"), shop_->failuresTold.front());
        CPPUNIT_ASSERT(shop_->spawns.none());
    }

    void testWithoutThreadsAStartIsTriedOnceASecondAndLoggedOnceInTen() {
        make();
        {
            const NoThreads shortage;
            for (int tenths = 0; tenths < 95; ++tenths) {
                const PoolGuard guard(*context_);
                CPPUNIT_ASSERT(!shop_->starter.start(SpawnTask::Purpose::GROW));
                clock_.advance(std::chrono::milliseconds(100));
            }
        }
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=spawn.not_started"));
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT(!shop_->starter.start(SpawnTask::Purpose::GROW));
        clock_.advance(std::chrono::seconds(1));
        CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
    }

    void testAStartOfAnOldVersionIsNoFailure() {
        make();
        factory_->hold();
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
        }
        factory_->waitUntilHeld(1);
        {
            const PoolGuard guard(*context_);
            shop_->versions.replace(factory_->create(options_));
        }
        CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->roomsCame == 1; }));
        CPPUNIT_ASSERT(shop_->failuresTold.empty());
        CPPUNIT_ASSERT_EQUAL(0U, shop_->instances.living());
        CPPUNIT_ASSERT(shop_->spawns.none());
    }

    void testALoadOfAnOldVersionTellsNothingOfThePreloaderOfTheNewOne() {
        factory_->loaded = false;
        make();
        factory_->hold();
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
        }
        factory_->waitUntilHeld(1);
        {
            const PoolGuard guard(*context_);
            shop_->versions.deploy(factory_->create(options_), context_->makeQueue(options_), clock_.now());
            shop_->versions.adopt();
            SpawnResult fork;
            fork.origin = std::make_shared<const Origin>();
            shop_->preloader.joined(Process(std::move(fork), InstanceId(9), 2, clock_.now(), Process::Start()),
                                    options_);
        }
        CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->roomsCame == 1; }));
        CPPUNIT_ASSERT(shop_->preloader.isLoaded());
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=spawn.not_loaded"));
    }

    /** PassengerWarmUp may take most of the time limit of a start. */
    void testAnInstanceOfAnOldVersionThatWasToldToServeIsNotWaitedFor() {
        FakeInstances instances(*loop_, *factory_);
        instances.saysReady = false;
        options_.startTimeout = std::chrono::hours(1);
        make();
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
        }
        CPPUNIT_ASSERT(instances.frame(0).type == FrameType::SERVE);
        {
            const PoolGuard guard(*context_);
            shop_->versions.replace(factory_->create(options_));
        }
        CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->roomsCame == 1; }));
        CPPUNIT_ASSERT(shop_->failuresTold.empty());
        CPPUNIT_ASSERT(shop_->spawns.none());
    }

    void testAnInstanceWhoseQueueWasReplacedWhileItLoadedIsNotWanted() {
        FakeInstances instances(*loop_, *factory_);
        instances.saysReady = false;
        make();
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
        }
        CPPUNIT_ASSERT(instances.frame(0).type == FrameType::SERVE);
        {
            const PoolGuard guard(*context_);
            shop_->queue.makeCurrent(context_->makeQueue(options_));
        }
        instances.send(0, Frame(FrameType::READY));
        CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->spawns.none(); }));
        CPPUNIT_ASSERT_EQUAL(0U, shop_->joinedWanted);
    }

    void testAnInstanceIsWarmedUpByAQueueOfItsOwn() {
        FakeInstances instances(*loop_, *factory_);
        instances.saysReady = false;
        options_.warmUp = "/a";
        options_.maxRequests = 5;
        options_.threads = 3;
        make();
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
        }
        const Frame first = instances.frame(0);
        CPPUNIT_ASSERT(first.type == FrameType::SERVE);
        CPPUNIT_ASSERT_EQUAL(std::string("0 3 shop 6 0 0 0 0 1"), fmt::format("{}", fmt::join(first.fields, " ")));
        instances.send(0, Frame(FrameType::READY));
        RequestHeader request{};
        CPPUNIT_ASSERT(::recv(first.descriptors.at(0).get(), &request, sizeof(request), 0) > 0);
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT_EQUAL_MESSAGE("Not counted", 0U, shop_->queue.inFlight());
        }
        instances.send(0, Frame::of(FrameType::FETCH, request.channel));
        const Frame channel = instances.frame(0);
        CPPUNIT_ASSERT(channel.type == FrameType::CHANNEL);
        const MessageHeader answer{request.ticket, MessageType::RESPONSE, LAST, 200, 0, 0, 0};
        CPPUNIT_ASSERT(::send(channel.descriptors.at(0).get(), &answer, sizeof(answer), MSG_NOSIGNAL) > 0);
        const Frame second = instances.frame(0);
        CPPUNIT_ASSERT(second.type == FrameType::SERVE);
        CPPUNIT_ASSERT_EQUAL(std::string("0 3 shop 5 0 0 0 0 0"), fmt::format("{}", fmt::join(second.fields, " ")));
        CPPUNIT_ASSERT(RequestQueue::closed(first.descriptors.at(0).get()));
        CPPUNIT_ASSERT(!RequestQueue::closed(second.descriptors.at(0).get()));
        CPPUNIT_ASSERT_EQUAL(0U, shop_->joinedWanted);
        instances.send(0, Frame::of(FrameType::FETCH, request.channel));
        CPPUNIT_ASSERT(instances.frame(0).type == FrameType::NO_CHANNEL);
        instances.send(0, Frame(FrameType::READY));
        CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->joinedWanted == 1; }));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=warm_up.done app=\"shop\" path=\"/a\" status=200 ms="));
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, shop_->queue.statistics().completed);
    }

    void testWithALimitOfOneTheSuccessorStandsByUntilThePredecessorHasEnded() {
        options_.maxInstances = 1;
        make();
        const ProcessPtr old = startSuccessor();
        CPPUNIT_ASSERT(eventuallyTold([this] { return standby() != nullptr; }));
        CPPUNIT_ASSERT(old->state() == Process::State::DRAINING);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, [this] {
            const PoolGuard guard(*context_);
            return shop_->counters.replaced;
        }());
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT_MESSAGE("It is paused", standby()->pause().isOn());
            shop_->succession.activateStandby();
            CPPUNIT_ASSERT_EQUAL_MESSAGE("The old one lives", 0U, shop_->instances.serving());
            shop_->end(old);
            shop_->succession.activateStandby();
            CPPUNIT_ASSERT(!shop_->instances.all().front()->pause().isOn());
        }
        CPPUNIT_ASSERT_EQUAL(1U, shop_->instances.serving());
    }

    void testTheStandbyIsDroppedIfAnotherInstanceServes() {
        options_.maxInstances = 1;
        make();
        const ProcessPtr old = startSuccessor();
        CPPUNIT_ASSERT(eventuallyTold([this] { return standby() != nullptr; }));
        const PoolGuard guard(*context_);
        shop_->serve();
        shop_->succession.activateStandby();
        CPPUNIT_ASSERT_EQUAL(1U, shop_->instances.serving());
        CPPUNIT_ASSERT(!standby());
        CPPUNIT_ASSERT_EQUAL(2U, shop_->instances.draining());
    }

    void testNoTwoInstancesLiveAfterTheLimitWasLoweredToOne() {
        make();
        factory_->hold();
        const ProcessPtr old = [this] {
            const PoolGuard guard(*context_);
            ProcessPtr process = shop_->serve();
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
            shop_->instances.retire(process);
            shop_->options.maxInstances = 1;
            return process;
        }();
        factory_->release();
        CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->spawns.starting() == 0; }));
        // A Process ends without the lock.
        ProcessPtr surplus;
        const PoolGuard guard(*context_);
        shop_->succession.activateStandby();
        CPPUNIT_ASSERT_EQUAL(0U, shop_->instances.serving());
        CPPUNIT_ASSERT_EQUAL_MESSAGE("One stands by", shop_->instances.living() - 1, shop_->instances.draining());
        shop_->end(old);
        if (shop_->instances.draining() > 0) {
            surplus = shop_->instances.all().back();
            shop_->end(surplus);
        }
        shop_->succession.activateStandby();
        CPPUNIT_ASSERT_EQUAL(1U, shop_->instances.serving());
    }

    void testANewVersionTakesThePlaceOfAnotherStandbyInstance() {
        make();
        factory_->hold();
        const ProcessPtr old = [this] {
            const PoolGuard guard(*context_);
            ProcessPtr process = shop_->serve();
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::GROW));
            return process;
        }();
        factory_->waitUntilHeld(1);
        {
            const PoolGuard guard(*context_);
            shop_->versions.deploy(factory_->create(options_), context_->makeQueue(options_), context_->clock.now());
            shop_->versions.setStarted(true);
            CPPUNIT_ASSERT(shop_->starter.start(SpawnTask::Purpose::DEPLOY));
            shop_->instances.retire(old);
            shop_->options.maxInstances = 1;
        }
        factory_->waitUntilHeld(2);
        factory_->release();
        CPPUNIT_ASSERT(eventuallyTold([this] { return shop_->spawns.starting() == 0; }));
        CPPUNIT_ASSERT_MESSAGE("The deployment was adopted", !shop_->versions.deployment());
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT(standby());
        CPPUNIT_ASSERT_EQUAL(0U, shop_->instances.serving());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InstanceStarterTest);

}  // namespace Passenger
