#include "pool/QueuePauses.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>
#include <string>

#include "base/Exceptions.h"
#include "io/Frame.h"

namespace Passenger {

using std::chrono::nanoseconds;

class QueuePausesTest : public CPPUNIT_NS::TestFixture {
    CPPUNIT_TEST_SUITE(QueuePausesTest);
    CPPUNIT_TEST(testAPauseHasAnEndAndMayEndBefore);
    CPPUNIT_TEST(testTheNextPoolProcessKnowsThePauses);
    CPPUNIT_TEST(testMalformedLinesAreIgnored);
    CPPUNIT_TEST(testNoPauseIsRestoredForLongerThanTheLimit);
    CPPUNIT_TEST(testALineBreakInANameIsNoPauseOfAnotherApplication);
    CPPUNIT_TEST(testAPauseThatTheStoreCannotKeepDoesNotBeginAndTheOthersEnd);
    CPPUNIT_TEST_SUITE_END();

    struct Notes final : DescriptorStore {
        void put(const std::string &key, const std::string &note, const std::vector<int> &) override {
            static_cast<void>(Frame(FrameType::STORE, {key, note}).encode());
            notes[key] = note;
        }
        void remove(const std::string &key) override { notes.erase(key); }
        std::map<std::string, std::string> notes;
    };

    Notes store_;
    QueuePauses pauses_{store_};

public:
    void testAPauseHasAnEndAndMayEndBefore() {
        CPPUNIT_ASSERT(!pauses_.until("blog"));
        pauses_.begin("blog", MonotonicTime(nanoseconds(7)));
        CPPUNIT_ASSERT(pauses_.until("blog") == MonotonicTime(nanoseconds(7)));
        pauses_.begin("blog", MonotonicTime(nanoseconds(9)));
        CPPUNIT_ASSERT(pauses_.until("blog") == MonotonicTime(nanoseconds(9)));
        CPPUNIT_ASSERT(!pauses_.until("shop"));
        pauses_.end("blog");
        pauses_.end("shop");
        CPPUNIT_ASSERT(!pauses_.until("blog"));
    }

    void testTheNextPoolProcessKnowsThePauses() {
        pauses_.begin("/srv/my blog (production)", MonotonicTime(nanoseconds(7)));
        pauses_.begin("shop", MonotonicTime(nanoseconds(8)));
        pauses_.end("shop");
        Notes empty;
        QueuePauses next(empty);
        for (const auto &[key, note] : store_.notes) {
            CPPUNIT_ASSERT_EQUAL(std::string(QueuePauses::KEY), key);
            next.restore(note, MonotonicTime());
        }
        CPPUNIT_ASSERT(next.until("/srv/my blog (production)") == MonotonicTime(nanoseconds(7)));
        CPPUNIT_ASSERT(!next.until("shop"));
    }

    void testMalformedLinesAreIgnored() {
        pauses_.restore("x blog\n12\n\n99999999999999999999 blog\n5 shop\n", MonotonicTime());
        CPPUNIT_ASSERT(!pauses_.until("blog"));
        CPPUNIT_ASSERT(pauses_.until("shop") == MonotonicTime(nanoseconds(5)));
    }

    void testNoPauseIsRestoredForLongerThanTheLimit() {
        const MonotonicTime now(nanoseconds(7));
        pauses_.restore("9223372036854775807 shop\n", now);
        CPPUNIT_ASSERT(pauses_.until("shop") == now + QueuePauses::LONGEST);
    }

    void testALineBreakInANameIsNoPauseOfAnotherApplication() {
        CPPUNIT_ASSERT_THROW(pauses_.begin("blog\n9 shop", MonotonicTime(nanoseconds(7))), IOException);
        CPPUNIT_ASSERT(pauses_.all().empty());
        CPPUNIT_ASSERT(store_.notes.empty());
    }

    void testAPauseThatTheStoreCannotKeepDoesNotBeginAndTheOthersEnd() {
        const auto name = [](unsigned number) { return std::to_string(number) + std::string(4000, 'x'); };
        unsigned begun = 0;
        try {
            for (; begun < 300; begun++) {
                pauses_.begin(name(begun), MonotonicTime(nanoseconds(7)));
            }
        } catch (const IOException &) {
            CPPUNIT_ASSERT(!pauses_.until(name(begun)));
        }
        CPPUNIT_ASSERT(begun > 50 && begun < 300);
        for (unsigned number = 0; number < begun; number++) {
            pauses_.end(name(number));
        }
        CPPUNIT_ASSERT_EQUAL(std::string(), store_.notes.at(QueuePauses::KEY));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueuePausesTest);

}  // namespace Passenger
