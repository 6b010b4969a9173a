// Pool: its promises hold during random operations. The seed is printed; PASSENGER_TEST_SEED and
// PASSENGER_TEST_OPERATIONS repeat a run.

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "ProgressListener.h"
#include "log/Log.h"
#include "support/LeakCheck.h"
#include "support/PoolScript.h"
#include "support/Sanitizer.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t SCRIPT_LENGTH = 5000;
/** The defaults: the run ends after OPERATIONS or TIME, whichever comes first. 50,000 operations take
 *  about eight seconds on one core, and ten times as long with a sanitizer. */
constexpr std::uint64_t OPERATIONS = SANITIZED ? 10'000 : 50'000;
constexpr std::chrono::seconds TIME = SANITIZED ? 10s : 20s;

std::optional<std::uint64_t> wish(const char *variable) {
    const char *value = std::getenv(variable);
    return value != nullptr && *value != '\0' ? std::optional(std::strtoull(value, nullptr, 10)) : std::nullopt;
}

}  // namespace

class PoolModelTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PoolModelTest);
    CPPUNIT_TEST(testThePoolKeepsItsPromisesThroughRandomOperations);
    CPPUNIT_TEST_SUITE_END();

    LogLevel level_ = Log::level();

    static void play(std::uint64_t seed, std::size_t length) {
        PoolScript script(seed, length);
        if (script.play().empty()) {
            return;
        }
        // Many runs more, and then a report.
        ::alarm(ProgressListener::TEST_LIMIT_SECONDS);
        script.shorten();
        std::vector<std::string> story;
        std::string text = fmt::format("{}; again with PASSENGER_TEST_SEED={} PASSENGER_TEST_OPERATIONS={}\n",
                                       script.play(&story), seed, length);
        for (const std::string &queue : story) {
            text += queue + '\n';
        }
        CPPUNIT_FAIL(text);
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        // It would have a lot to say.
        Log::setLevel(LogLevel::CRIT);
    }
    void tearDown() override {
        Log::setLevel(level_);
        LeakCheck::tearDown();
    }

    void testThePoolKeepsItsPromisesThroughRandomOperations() {
        const std::uint64_t seed = wish("PASSENGER_TEST_SEED").value_or(std::random_device()());
        const std::optional<std::uint64_t> wanted = wish("PASSENGER_TEST_OPERATIONS");
        const std::uint64_t operations = wanted.value_or(OPERATIONS);
        fmt::print("PASSENGER_TEST_SEED={} ", seed);
        std::fflush(stdout);
        if (wanted) {
            // It may take longer than a test may.
            ::alarm(0);
        }
        const auto begin = std::chrono::steady_clock::now();
        std::uint64_t done = 0;
        while (done < operations && (wanted || std::chrono::steady_clock::now() - begin < TIME)) {
            const std::size_t length = std::min<std::uint64_t>(SCRIPT_LENGTH, operations - done);
            play(seed + done / SCRIPT_LENGTH, length);
            done += length;
        }
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        fmt::print("{} operations in {:.1f} s ", done, time.count());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolModelTest);

}  // namespace Passenger
