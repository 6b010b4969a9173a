#include "agent/EndableThread.h"

#include <sys/eventfd.h>

#include <utility>

namespace Passenger {

EndableThread::EndableThread() : ending_(makeEventDescriptor()) {}

EndableThread::~EndableThread() {
    end();
}

void EndableThread::start(const char *name, Work work) {
    end();
    thread_ = Thread(name, [this, work = std::move(work)] { work(ending_); });
}

void EndableThread::end() noexcept {
    if (thread_.joinable()) {
        ::eventfd_write(ending_.get(), 1);
        thread_.join();
        eventfd_t ignored = 0;
        ::eventfd_read(ending_.get(), &ignored);
    }
}

}  // namespace Passenger
