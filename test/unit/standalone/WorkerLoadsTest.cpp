#include "standalone/WorkerLoads.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "support/LeakCheck.h"

namespace Passenger {

class WorkerLoadsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(WorkerLoadsTest);
    CPPUNIT_TEST(testAWorkerFindsItsPlaceByItsPid);
    CPPUNIT_TEST(testAFreedPlaceIsClearedAndReused);
    CPPUNIT_TEST(testAWorkerWithoutAFreePlaceIsNotEntered);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::size_t PLACES = 3;

    /** The layout that a worker reads: the bytes, and then the pids. */
    struct Contents {
        std::array<std::uint8_t, PLACES> bytes{};
        std::array<std::uint32_t, PLACES> pids{};
    };

    static Contents read(const WorkerLoads &loads) {
        Contents contents;
        const int file = loads.descriptor().get();
        CPPUNIT_ASSERT_EQUAL(ssize_t{3}, ::pread(file, contents.bytes.data(), PLACES, 0));
        CPPUNIT_ASSERT_EQUAL(ssize_t{12}, ::pread(file, contents.pids.data(), PLACES * 4, PLACES));
        return contents;
    }

public:
    void testAWorkerFindsItsPlaceByItsPid() {
        WorkerLoads loads(PLACES);
        loads.enter(100);
        loads.enter(2'000'000);
        const auto contents = read(loads);
        CPPUNIT_ASSERT((contents.pids == std::array<std::uint32_t, PLACES>{100, 2'000'000, 0}));
        // A worker that has had no request yet is counted, too.
        CPPUNIT_ASSERT((contents.bytes == std::array<std::uint8_t, PLACES>{1, 1, 0}));
        // The size includes the CPU slots.
        CPPUNIT_ASSERT_EQUAL(off_t{19}, ::lseek(loads.descriptor().get(), 0, SEEK_END));
    }

    void testAFreedPlaceIsClearedAndReused() {
        WorkerLoads loads(PLACES);
        loads.enter(100);
        loads.enter(101);
        CPPUNIT_ASSERT_EQUAL(ssize_t{2}, ::pwrite(loads.descriptor().get(), "\7\7", 2, 0));
        loads.leave(100);
        const auto left = read(loads);
        CPPUNIT_ASSERT((left.pids == std::array<std::uint32_t, PLACES>{0, 101, 0}));
        CPPUNIT_ASSERT((left.bytes == std::array<std::uint8_t, PLACES>{0, 7, 0}));
        loads.enter(102);
        const auto entered = read(loads);
        CPPUNIT_ASSERT((entered.pids == std::array<std::uint32_t, PLACES>{102, 101, 0}));
        CPPUNIT_ASSERT((entered.bytes == std::array<std::uint8_t, PLACES>{1, 7, 0}));
    }

    void testAWorkerWithoutAFreePlaceIsNotEntered() {
        WorkerLoads loads(PLACES);
        for (const pid_t pid : {100, 101, 102, 103}) {
            loads.enter(pid);
        }
        loads.leave(103);
        CPPUNIT_ASSERT((read(loads).pids == std::array<std::uint32_t, PLACES>{100, 101, 102}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WorkerLoadsTest);

}  // namespace Passenger
