/* SPDX-License-Identifier: Apache-2.0 */
/* bench/plain_http.c - the plainest publisher over libcurl's multi interface: URL unused EVENTS BYTES; 64 requests */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t ignore(char *bytes, size_t one, size_t size, void *arg)
{
    (void)bytes, (void)arg;
    return one * size;
}

static CURL *new_request(const char *url, const char *payload, long bytes)
{
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, payload);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    return easy;
}

/* Requests that ended; each is sent again while events are left. */
static int read_results(CURLM *multi, int *left)
{
    CURLMsg *message;
    int queued, ended = 0;
    while ((message = curl_multi_info_read(multi, &queued))) {
        CURL *easy = message->easy_handle;
        if (message->data.result != CURLE_OK) {
            fprintf(stderr, "plain_http: %s\n", curl_easy_strerror(message->data.result));
            exit(1);
        }
        ended++;
        curl_multi_remove_handle(multi, easy);
        if ((*left)-- > 0)
            curl_multi_add_handle(multi, easy);
    }
    return ended;
}

int main(int argc, char **argv)
{
    enum { REQUESTS = 64 };
    if (argc != 5)
        return 64;
    int events = (int)strtol(argv[3], NULL, 10), left = events - REQUESTS, ended = 0, running;
    long bytes = strtol(argv[4], NULL, 10);
    char *payload = malloc((size_t)bytes);
    memset(payload, 'x', (size_t)bytes);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    for (int i = 0; i < REQUESTS; i++)
        curl_multi_add_handle(multi, new_request(argv[1], payload, bytes));
    while (ended < events) {
        curl_multi_perform(multi, &running);
        ended += read_results(multi, &left);
        if (ended < events)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    return 0;
}
