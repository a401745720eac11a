//! Where a request goes, letter by letter.

use hf_inference_wasm::core::provider::table::{PROVIDERS, ROUTER, find};
use hf_inference_wasm::core::provider::url::{
    catalogue, chat, completions, generate, is_hugging_face, is_model_id, is_openai_route, is_tgi_route,
    is_usable, mapping, origin, provider_route, root, routed, shown,
};

#[test]
fn an_endpoint_however_named_comes_to_its_chat_route() {
    let cases = [
        ("https://h", "https://h/v1/chat/completions"),
        ("https://h/", "https://h/v1/chat/completions"),
        ("https://h///", "https://h/v1/chat/completions"),
        ("https://h/v1", "https://h/v1/chat/completions"),
        ("https://h/v1/", "https://h/v1/chat/completions"),
        ("https://h/v1/chat/completions", "https://h/v1/chat/completions"),
        ("https://h/v1/chat/completions/", "https://h/v1/chat/completions"),
        ("https://h/v1/completions", "https://h/v1/chat/completions"),
        ("https://h/foo", "https://h/foo/v1/chat/completions"),
        ("https://h/foo/", "https://h/foo/v1/chat/completions"),
        ("https://h/foo/v1", "https://h/foo/v1/chat/completions"),
        ("https://h/foo/v1/chat/completions", "https://h/foo/v1/chat/completions"),
        ("https://h/foo/chat/completions", "https://h/foo/chat/completions"),
        ("https://h/chat/completions", "https://h/chat/completions"),
        ("https://h/api/paas/v4", "https://h/api/paas/v4/chat/completions"),
        ("https://h/v1beta", "https://h/v1beta/chat/completions"),
        ("https://h?x=1", "https://h/v1/chat/completions?x=1"),
        ("https://h/?x=1", "https://h/v1/chat/completions?x=1"),
        ("https://h/v1?x=1", "https://h/v1/chat/completions?x=1"),
        ("https://h/v1/?x=1/v1", "https://h/v1/chat/completions?x=1/v1"),
        ("https://h/v1/chat/completions?api-version=2024", "https://h/v1/chat/completions?api-version=2024"),
        ("https://h/v1?x=1#part", "https://h/v1/chat/completions?x=1"),
        ("https://h/#part", "https://h/v1/chat/completions"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/chat/completions"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1/chat/completions"),
        ("https://h/generate", "https://h/v1/chat/completions"),
        ("https://h/generate_stream", "https://h/v1/chat/completions"),
        ("/api", "/api/v1/chat/completions"),
        ("/api/v1", "/api/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
    ];
    for (given, expected) in cases {
        assert_eq!(chat(given), expected, "{given}");
    }
}

#[test]
fn an_endpoint_however_named_comes_to_its_completion_route() {
    let cases = [
        ("https://h", "https://h/v1/completions"),
        ("https://h/v1", "https://h/v1/completions"),
        ("https://h/v1/completions", "https://h/v1/completions"),
        ("https://h/v1/chat/completions", "https://h/v1/completions"),
        ("https://h/foo?x=1", "https://h/foo/v1/completions?x=1"),
        ("https://h/foo/completions?x=1", "https://h/foo/completions?x=1"),
    ];
    for (given, expected) in cases {
        assert_eq!(completions(given), expected, "{given}");
    }
}

#[test]
fn the_routes_of_tgi_stand_beside_v1() {
    for given in [
        "https://h",
        "https://h/",
        "https://h/v1",
        "https://h/v1/chat/completions",
        "https://h/generate",
        "https://h/generate_stream/",
    ] {
        assert_eq!(generate(given, false), "https://h/generate", "{given}");
        assert_eq!(generate(given, true), "https://h/generate_stream", "{given}");
        assert_eq!(root(given), "https://h/", "{given}");
    }
    assert_eq!(generate("https://h/foo/v1?x=1", true), "https://h/foo/generate_stream?x=1");
    assert_eq!(root("https://h/foo?x=1"), "https://h/foo/?x=1");
}

#[test]
fn a_host_that_begins_like_a_version_is_still_a_host() {
    for host in
        ["v1", "v2.example", "v2-llama.eu-west-1.aws.endpoints.huggingface.cloud", "v1beta.localhost:8080"]
    {
        for end in ["", "/", "/v1", "/v1/"] {
            let given = format!("https://{host}{end}");
            assert_eq!(chat(&given), format!("https://{host}/v1/chat/completions"), "{given}");
            assert_eq!(completions(&given), format!("https://{host}/v1/completions"), "{given}");
            assert_eq!(generate(&given, true), format!("https://{host}/generate_stream"), "{given}");
            assert_eq!(root(&given), format!("https://{host}/"), "{given}");
            assert_eq!(routed(&given, "groq"), format!("https://{host}/groq"), "{given}");
            assert_eq!(is_openai_route(&given), end.contains("v1"), "{given}");
        }
    }
}

#[test]
fn the_route_says_the_protocol() {
    for (given, tgi, openai) in [
        ("https://h", false, false),
        ("https://h/generate", true, false),
        ("https://h/generate_stream?x=1", true, false),
        ("https://h/v1", false, true),
        ("https://h/v1/completions", false, true),
        ("https://h/v1/chat/completions/?x", false, true),
        ("https://h/regenerate", false, false),
        ("https://h/?x=/generate", false, false),
    ] {
        assert_eq!((is_tgi_route(given), is_openai_route(given)), (tgi, openai), "{given}");
    }
}

#[test]
fn each_provider_has_its_routes_behind_the_router_and_on_its_own_host() {
    let cases: &[(&str, &str, &str, &str)] = &[
        ("baseten", "https://inference.baseten.co", "v1/chat/completions", ""),
        ("cerebras", "https://api.cerebras.ai", "v1/chat/completions", ""),
        ("cohere", "https://api.cohere.com", "compatibility/v1/chat/completions", ""),
        ("deepinfra", "https://api.deepinfra.com", "v1/openai/chat/completions", "v1/openai/completions"),
        ("featherless-ai", "https://api.featherless.ai", "v1/chat/completions", "v1/completions"),
        ("fireworks-ai", "https://api.fireworks.ai", "inference/v1/chat/completions", ""),
        ("groq", "https://api.groq.com", "openai/v1/chat/completions", ""),
        (
            "hf-inference",
            "https://router.huggingface.co/hf-inference",
            "models/a/b/v1/chat/completions",
            "models/a/b/v1/completions",
        ),
        ("novita", "https://api.novita.ai", "v3/openai/chat/completions", "v3/openai/completions"),
        ("nscale", "https://inference.api.nscale.com", "v1/chat/completions", ""),
        ("openai", "https://api.openai.com", "v1/chat/completions", "v1/completions"),
        (
            "ovhcloud",
            "https://oai.endpoints.kepler.ai.cloud.ovh.net",
            "v1/chat/completions",
            "v1/completions",
        ),
        ("publicai", "https://api.publicai.co", "v1/chat/completions", ""),
        ("scaleway", "https://api.scaleway.ai", "v1/chat/completions", "v1/completions"),
        ("together", "https://api.together.xyz", "v1/chat/completions", "v1/completions"),
        ("zai-org", "https://api.z.ai", "api/paas/v4/chat/completions", ""),
    ];
    assert_eq!(PROVIDERS.len(), cases.len(), "every provider is here");
    for (name, base, chat_route, completions_route) in cases {
        let entry = find(name).expect("an entry");
        assert_eq!(entry.base, *base);
        assert_eq!(
            provider_route(base, entry.chat, "a/b", "chat/completions"),
            format!("{base}/{chat_route}")
        );
        let router = routed(ROUTER, name);
        assert_eq!(router, format!("https://router.huggingface.co/{name}"));
        assert_eq!(
            provider_route(&router, entry.chat, "a/b", "chat/completions"),
            format!("{router}/{chat_route}")
        );
        assert_eq!(entry.completions.is_empty(), completions_route.is_empty(), "{name}");
        if !completions_route.is_empty() {
            assert_eq!(
                provider_route(&router, entry.completions, "a/b", "completions"),
                format!("{router}/{completions_route}")
            );
        }
        assert_eq!(entry.routed, *name != "openai", "openai is not behind the router");
    }
    assert!(find("auto").is_none() && find("").is_none() && find("Groq").is_none());
}

#[test]
fn what_stands_in_for_the_router_keeps_its_path_and_query() {
    let cases = [
        ("https://p", "https://p/groq"),
        ("https://p/", "https://p/groq"),
        ("https://p/v1", "https://p/groq"),
        ("https://p/hf", "https://p/hf/groq"),
        ("https://p/hf?key=1", "https://p/hf/groq?key=1"),
        ("/proxy", "/proxy/groq"),
        ("/proxy/v1/", "/proxy/groq"),
        ("/v1", "/groq"),
        ("/", "/groq"),
    ];
    for (given, expected) in cases {
        assert_eq!(routed(given, "groq"), expected, "{given}");
    }
    let base = routed("https://p/hf?key=1", "groq");
    assert_eq!(
        provider_route(&base, "openai/v1/chat/completions", "m", ""),
        "https://p/hf/groq/openai/v1/chat/completions?key=1"
    );
}

#[test]
fn the_mapping_is_asked_for_under_the_models_id() {
    let expected = "https://huggingface.co/api/models/a/b?expand[]=inferenceProviderMapping";
    assert_eq!(mapping("https://huggingface.co", "a/b"), expected);
    assert_eq!(mapping("https://huggingface.co/?x=1", "a/b"), expected);
    assert_eq!(mapping("/hub", "gpt2"), "/hub/api/models/gpt2?expand[]=inferenceProviderMapping");
}

#[test]
fn only_absolute_urls_without_credentials_are_usable() {
    for url in [
        "https://h",
        "http://h",
        "HTTPS://h/x",
        "http://127.0.0.1:8080",
        "http://[::1]:80/",
        "https://h?x",
        "https://h#x",
        "https://h/a@b",
        "https://h/?u=a@b",
    ] {
        assert!(is_usable(url, false) && is_usable(url, true), "{url}");
    }
    for url in [
        "",
        "h",
        "h/v1",
        "localhost:8080",
        "https://",
        "https:///x",
        "https:h",
        "https:/h",
        "//h",
        "ftp://h",
        "file:///x",
        "data:,x",
        "javascript:alert(1)",
        "https://user@h",
        "https://user:secret@h/v1",
        "https://:80",
        "https://?x",
        "https://#x",
        "https://h /",
        " https://h",
        "https://h\n",
        "https://h\t/x",
        "https://h\u{7f}",
        "ws://h",
        "blob:https://h/x",
        "https://h\\@evil",
    ] {
        assert!(!is_usable(url, false) && !is_usable(url, true), "{url:?}");
    }
    for path in ["/", "/api", "/api/v1?x=1"] {
        assert!(
            is_usable(path, true) && !is_usable(path, false),
            "a path is completed by a page's address only"
        );
    }
}

#[test]
fn a_model_id_can_stand_in_a_path() {
    for id in ["gpt2", "a/b", "meta-llama/Llama-3.1-8B-Instruct", "a_b/c.d-e", "...", "a/..b", "1/2"] {
        assert!(is_model_id(id), "{id}");
    }
    for id in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "a/b/c",
        ".",
        "..",
        "a/..",
        "../a",
        "./a",
        "a/.",
        "a b",
        "a%2Fb",
        "a?b",
        "a#b",
        "a:b",
        "a/b:groq",
        "a\\b",
        "é",
        "a/b/",
        "https://h",
    ] {
        assert!(!is_model_id(id), "{id}");
    }
}

#[test]
fn a_url_is_shown_without_its_query() {
    assert_eq!(shown("https://h/v1?key=secret"), "https://h/v1");
    assert_eq!(shown("https://h/v1#key=secret"), "https://h/v1");
    assert_eq!(shown("https://h/v1"), "https://h/v1");
}

#[test]
fn a_backslash_makes_no_host_of_what_is_none() {
    // Browsers read it as a slash, so the token for the second host would go to the first.
    assert!(!is_usable("https://evil.example\\.huggingface.co/v1", true));
    assert!(!is_hugging_face("https://evil.example\\.huggingface.co/v1"));
}

#[test]
fn an_origin_ends_where_the_host_does() {
    for (url, expected) in [
        ("https://h", "https://h"),
        ("https://h/", "https://h"),
        ("https://h:8443/v1?x=/", "https://h:8443"),
        ("https://h?x=https://other/", "https://h"),
        ("https://h#/x", "https://h"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
        ("https://h\\.huggingface.co/v1", "https://h"),
        ("https://höst/é", "https://höst"),
        ("/api/v1", ""),
        ("/é", ""),
        ("/", ""),
        ("", ""),
        ("h", ""),
    ] {
        assert_eq!(origin(url), expected, "{url}");
    }
}

#[test]
fn hugging_faces_own_hosts_are_known_and_no_look_alikes() {
    for url in [
        "https://huggingface.co",
        "https://huggingface.co/api",
        "https://router.huggingface.co/v1",
        "https://x.us-east-1.aws.endpoints.huggingface.cloud/v1?x=1",
        "https://huggingface.cloud#x",
    ] {
        assert!(is_hugging_face(url), "{url}");
    }
    for url in [
        "http://huggingface.co",
        "http://x.endpoints.huggingface.cloud",
        "ws://x.huggingface.co",
        "https://nothuggingface.co",
        "https://huggingface.co.example",
        "https://huggingface.co:8443",
        "https://example/huggingface.co",
        "https://example?.huggingface.co",
        "https://example#.huggingface.co",
        "https://example\\.huggingface.co",
        "https://example/\\.huggingface.co",
        "https://me@huggingface.co",
        "https://huggingface.com",
        "https://hf.co",
        "//huggingface.co",
        "/.huggingface.co",
        "huggingface.co",
        "",
    ] {
        assert!(!is_hugging_face(url), "{url}");
    }
}

#[test]
fn the_catalogue_stands_beside_the_routers_chat_route() {
    for (router, expected) in [
        (ROUTER, "https://router.huggingface.co/v1/models/a/b"),
        ("https://gateway.example", "https://gateway.example/v1/models/a/b"),
        ("https://gateway.example/v1/", "https://gateway.example/v1/models/a/b"),
        ("https://gateway.example/hf/v1?key=1", "https://gateway.example/hf/v1/models/a/b"),
        ("/api", "/api/v1/models/a/b"),
    ] {
        assert_eq!(catalogue(router, "a/b"), expected, "{router}");
    }
}
