// SPDX-License-Identifier: Apache-2.0
// A relay inside a C++ program: embed CONFIG COUNT relays until COUNT events are published.
#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <outbox/outbox.h>

namespace {

class Relay {
  public:
    explicit Relay(const char *config)
    {
        outbox_options options{};
        options.struct_size = sizeof options;
        options.config_path = config;
        options.on_state = [](void *, outbox_state state, const char *) { std::cout << outbox_state_name(state) << "\n"; };
        outbox *made = nullptr;
        outbox_error error{};
        if (outbox_new(&options, &made, &error))
            throw std::runtime_error(error.text);
        relay_.reset(made);
        if (outbox_start(made, &error))
            throw std::runtime_error(error.text);
    }
    ~Relay() { outbox_stop(relay_.get(), 10000, nullptr); } // before the handle is freed
    unsigned long published() const
    {
        struct outbox_stats stats = {}; // "struct": the function has the same name
        stats.struct_size = sizeof stats;
        outbox_stats(relay_.get(), &stats);
        return stats.settled;
    }

  private:
    struct Free {
        void operator()(outbox *relay) const { outbox_free(relay); }
    };
    std::unique_ptr<outbox, Free> relay_;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: embed CONFIG COUNT\n";
        return 64;
    }
    try {
        Relay relay(argv[1]);
        const unsigned long count = std::stoul(argv[2]);
        for (int i = 0; i < 3000 && relay.published() < count; i++)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        std::cout << "published " << relay.published() << "\n";
    } catch (const std::exception &failure) {
        std::cerr << "embed: " << failure.what() << "\n";
        return 1;
    }
}
