#include "apache2/response/SpoolRing.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/Exceptions.h"
#include "support/Expect.h"
#include "support/FreeSpool.h"
#include "support/LeakCheck.h"

namespace Passenger {

class SpoolRingTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(SpoolRingTest);
    CPPUNIT_TEST(testBytesAreTakenInTheirOrder);
    CPPUNIT_TEST(testTakenBytesMakeRoomSoThatTheFileStaysSmall);
    CPPUNIT_TEST(testTheRangesAreThePositionsOfTheBytes);
    CPPUNIT_TEST(testBytesKeptBesideDoNotChangeTheRing);
    CPPUNIT_TEST(testBytesKeptBesideLeaveNoHoleInTheFile);
    CPPUNIT_TEST(testAnEmptyRingGivesNothing);
    CPPUNIT_TEST(testTheRingMayBeFull);
    CPPUNIT_TEST(testTooManyBytesChangeNothing);
    CPPUNIT_TEST(testBytesThatTheFileDoesNotTakeAreNotAppended);
    CPPUNIT_TEST(testTheFileOutlivesTheRing);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t CAPACITY = 10;

    std::string folder_;
    std::optional<FreeSpool> spool_;

    static std::string take(SpoolRing &ring, std::size_t most) {
        std::string bytes(most, '\0');
        bytes.resize(ring.take(bytes));
        return bytes;
    }
    static std::string drain(SpoolRing &ring, std::size_t piece) {
        std::string bytes;
        while (ring.size() > 0) {
            bytes += take(ring, piece);
        }
        return bytes;
    }
    static std::string read(int file, SpoolRing::Range range) {
        std::string bytes(range.length, '\0');
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(range.length),
                             pread(file, bytes.data(), bytes.size(), static_cast<off_t>(range.position)));
        return bytes;
    }
    static std::uint64_t sizeOf(int file) {
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, fstat(file, &status));
        return static_cast<std::uint64_t>(status.st_size);
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        std::string name = (std::filesystem::temp_directory_path() / "spool-ring-XXXXXX").string();
        CPPUNIT_ASSERT(mkdtemp(name.data()) != nullptr);
        folder_ = name;
        spool_.emplace(folder_);
    }

    void tearDown() override {
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testBytesAreTakenInTheirOrder() {
        SpoolRing ring(spool_->charge(), CAPACITY);
        ring.append("abc");
        ring.append("");
        ring.append("defg");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, ring.size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, ring.room());
        CPPUNIT_ASSERT_EQUAL(std::string("ab"), take(ring, 2));
        ring.append("hijkl");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, ring.room());
        CPPUNIT_ASSERT_EQUAL(std::string("cdefghijkl"), drain(ring, 3));
    }

    void testTakenBytesMakeRoomSoThatTheFileStaysSmall() {
        SpoolRing ring(spool_->charge(), CAPACITY);
        std::string in;
        std::string out;
        for (int i = 0; i < 1000; i++) {
            const std::string bytes(static_cast<std::size_t>(i % 4), static_cast<char>('a' + i % 26));
            ring.append(bytes);
            in += bytes;
            out += take(ring, ring.size() > 6 ? 4 : 1);
        }
        CPPUNIT_ASSERT_EQUAL(in, out + drain(ring, 100));
        CPPUNIT_ASSERT(sizeOf(ring.descriptor()) <= CAPACITY);
        CPPUNIT_ASSERT(std::filesystem::is_empty(folder_));
    }

    void testTheRangesAreThePositionsOfTheBytes() {
        SpoolRing ring(spool_->charge(), CAPACITY);
        ring.append("abcdefgh");
        CPPUNIT_ASSERT_EQUAL(std::string("abcdef"), take(ring, 6));
        ring.append("ijklm");
        const auto ranges = ring.ranges();
        CPPUNIT_ASSERT_EQUAL(std::string("ghij"), read(ring.descriptor(), ranges[0]));
        CPPUNIT_ASSERT_EQUAL(std::string("klm"), read(ring.descriptor(), ranges[1]));
    }

    void testBytesKeptBesideDoNotChangeTheRing() {
        SpoolRing ring(spool_->charge(), CAPACITY);
        ring.append("abcdefghij");
        const SpoolRing::Range first = ring.keepBeside("beside");
        const SpoolRing::Range second = ring.keepBeside("and more");
        CPPUNIT_ASSERT_EQUAL(std::string("beside"), read(ring.descriptor(), first));
        CPPUNIT_ASSERT_EQUAL(std::string("and more"), read(ring.descriptor(), second));
        CPPUNIT_ASSERT_EQUAL(std::string("abcdefghij"), read(ring.descriptor(), ring.ranges()[0]));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, ring.ranges()[1].length);
    }

    void testBytesKeptBesideLeaveNoHoleInTheFile() {
        SpoolRing ring(spool_->charge(), 1'000'000);
        ring.append("abc");
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), take(ring, 3));
        ring.append("d");
        const SpoolRing::Range range = ring.keepBeside("beside");
        CPPUNIT_ASSERT_EQUAL(std::string("beside"), read(ring.descriptor(), range));
        CPPUNIT_ASSERT_EQUAL(std::string("d"), read(ring.descriptor(), ring.ranges()[0]));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, sizeOf(ring.descriptor()));
    }

    void testAnEmptyRingGivesNothing() {
        SpoolRing ring(spool_->charge(), CAPACITY);
        CPPUNIT_ASSERT_EQUAL(std::string(), take(ring, 5));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, ring.ranges()[0].length + ring.ranges()[1].length);
    }

    void testTheRingMayBeFull() {
        SpoolRing ring(spool_->charge(), CAPACITY);
        ring.append("0123456789");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, ring.room());
        CPPUNIT_ASSERT_EQUAL(std::string("0123456789"), take(ring, 100));
        ring.append("abcdefghij");
        CPPUNIT_ASSERT_EQUAL(std::string("abcdefghij"), take(ring, 100));
    }

    void testTooManyBytesChangeNothing() {
        SpoolRing ring(spool_->charge(), CAPACITY);
        ring.append("12345678");
        CPPUNIT_ASSERT_THROW(ring.append("abc"), std::length_error);
        ring.append("ab");
        CPPUNIT_ASSERT_EQUAL(std::string("12345678ab"), drain(ring, CAPACITY));
    }

    void testBytesThatTheFileDoesNotTakeAreNotAppended() {
        SpoolRing ring(spool_->charge(), CAPACITY);
        ring.append("abcd");
        rlimit before{};
        CPPUNIT_ASSERT_EQUAL(0, getrlimit(RLIMIT_FSIZE, &before));
        const auto handler = std::signal(SIGXFSZ, SIG_IGN);
        const rlimit small{4, before.rlim_max};
        CPPUNIT_ASSERT_EQUAL(0, setrlimit(RLIMIT_FSIZE, &small));
        CPPUNIT_ASSERT_THROW(ring.append("efgh"), SystemException);
        CPPUNIT_ASSERT_EQUAL(0, setrlimit(RLIMIT_FSIZE, &before));
        std::signal(SIGXFSZ, handler);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, ring.size());
        ring.append("EFGH");
        CPPUNIT_ASSERT_EQUAL(std::string("abcdEFGH"), drain(ring, 3));
    }

    void testTheFileOutlivesTheRing() {
        std::optional<SpoolFile> file;
        std::array<SpoolRing::Range, 2> ranges{};
        {
            SpoolRing ring(spool_->charge(), CAPACITY);
            ring.append("abc");
            ranges = ring.ranges();
            file.emplace(ring.release());
        }
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), read(file->descriptor(), ranges[0]));
        CPPUNIT_ASSERT(std::filesystem::is_empty(folder_));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpoolRingTest);

}  // namespace Passenger
