//! Streams as services send them, one for each deviation that matters: recorded, and shortened.

/// A stream and what is to be read from it.
pub struct Sample {
    pub name: &'static str,
    pub stream: &'static str,
    pub text: &'static str,
    pub reasoning: &'static str,
    /// Id, name and arguments of each call.
    pub tool_calls: &'static [(&'static str, &'static str, &'static str)],
    /// The service's word; empty when it gave none.
    pub finish_reason: &'static str,
    /// `total_tokens`.
    pub total_tokens: Option<u64>,
    /// Empty when the answer is complete, otherwise what the service said.
    pub error: &'static str,
    /// The chunks of the service that the consumer sees.
    pub chunks: usize,
}

pub const SAMPLES: &[Sample] = &[
    Sample {
        name: "OpenAI-like, with a chunk for the usage",
        stream: r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"two"},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":14,"completion_tokens":1,"total_tokens":15}}

data: [DONE]

"#,
        text: "two",
        reasoning: "",
        tool_calls: &[],
        finish_reason: "stop",
        total_tokens: Some(15),
        error: "",
        chunks: 4,
    },
    Sample {
        name: "TGI 2.0.1: no space, no [DONE], the end token as text",
        stream: r#"data:{"id":"","object":"text_completion","created":1714681500,"model":"mistralai/Mistral-7B-Instruct-v0.2","system_fingerprint":"2.0.1-sha-2d0a717","choices":[{"index":0,"delta":{"role":"assistant","content":" The"},"logprobs":null,"finish_reason":null}]}

data:{"id":"","object":"text_completion","created":1714681500,"model":"mistralai/Mistral-7B-Instruct-v0.2","system_fingerprint":"2.0.1-sha-2d0a717","choices":[{"index":0,"delta":{"role":"assistant","content":"</s>"},"logprobs":null,"finish_reason":"eos_token"}]}

"#,
        text: " The</s>",
        reasoning: "",
        tool_calls: &[],
        finish_reason: "eos_token",
        total_tokens: None,
        error: "",
        chunks: 2,
    },
    Sample {
        name: "TGI 3.0.1",
        stream: r#"data: {"object":"chat.completion.chunk","id":"","created":1736953800,"model":"m","system_fingerprint":"3.0.1-sha-bb9095a","choices":[{"index":0,"delta":{"role":"assistant","content":" The"},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"object":"chat.completion.chunk","id":"","created":1736953800,"model":"m","system_fingerprint":"3.0.1-sha-bb9095a","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":"stop"}],"usage":null}

data: [DONE]

"#,
        text: " The",
        reasoning: "",
        tool_calls: &[],
        finish_reason: "stop",
        total_tokens: None,
        error: "",
        chunks: 2,
    },
    Sample {
        name: "Together: text beside delta, a seed beyond 2^53",
        stream: r#"data: {"id":"8f","object":"chat.completion.chunk","created":1736421960,"choices":[{"index":0,"text":"2","logprobs":null,"finish_reason":null,"seed":null,"delta":{"token_id":17,"role":"assistant","content":"2","tool_calls":null}}],"model":"m","usage":null}

data: {"id":"8f","object":"chat.completion.chunk","created":1736421960,"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":"eos","seed":9313781139405380000,"delta":{"token_id":128009,"role":"assistant","content":"","tool_calls":null}}],"model":"m","usage":{"prompt_tokens":48,"completion_tokens":2,"total_tokens":50}}

data: [DONE]

"#,
        text: "2",
        reasoning: "",
        tool_calls: &[],
        finish_reason: "eos",
        total_tokens: Some(50),
        error: "",
        chunks: 2,
    },
    Sample {
        name: "Cerebras: absent keys, the last event not ended",
        stream: r#"data: {"id":"c2","choices":[{"delta":{"role":"assistant"},"index":0}],"created":1740751481,"model":"llama3.1-8b","system_fingerprint":"fp_d0","object":"chat.completion.chunk"}

data: {"id":"c2","choices":[{"delta":{"reasoning":"The"},"index":0}],"created":1740751481,"model":"llama3.1-8b","object":"chat.completion.chunk"}

data: {"id":"c2","choices":[{"delta":{},"finish_reason":"stop","index":0}],"created":1740751481,"model":"llama3.1-8b","object":"chat.completion.chunk","usage":{"prompt_tokens":42,"completion_tokens":6,"total_tokens":48},"time_info":{"queue_time":0.000093189,"total_time":0.00704,"created":1740751481}}"#,
        text: "",
        reasoning: "The",
        tool_calls: &[],
        finish_reason: "stop",
        total_tokens: Some(48),
        error: "",
        chunks: 3,
    },
    Sample {
        name: "Groq: reasoning, a tool call, usage in two places",
        stream: r#"data: {"id":"c3","object":"chat.completion.chunk","created":1,"model":"qwen/qwen3-32b","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"x_groq":{"id":"req_01","seed":872656815}}

data: {"id":"c3","object":"chat.completion.chunk","created":1,"model":"qwen/qwen3-32b","choices":[{"index":0,"delta":{"reasoning":"Okay"},"logprobs":null,"finish_reason":null}]}

data: {"id":"c3","object":"chat.completion.chunk","created":1,"model":"qwen/qwen3-32b","choices":[{"index":0,"delta":{"tool_calls":[{"id":"tk8","type":"function","function":{"name":"weather","arguments":"{}"},"index":0}]},"logprobs":null,"finish_reason":null}]}

data: {"id":"c3","object":"chat.completion.chunk","created":1,"model":"qwen/qwen3-32b","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"x_groq":{"id":"req_01","usage":{"queue_time":0.04,"prompt_tokens":210,"completion_tokens":15,"total_tokens":225}},"usage":{"prompt_tokens":210,"completion_tokens":15,"total_tokens":225}}

data: [DONE]

"#,
        text: "",
        reasoning: "Okay",
        tool_calls: &[("tk8", "weather", "{}")],
        finish_reason: "tool_calls",
        total_tokens: Some(225),
        error: "",
        chunks: 4,
    },
    Sample {
        name: "DeepSeek: nulls, reasoning_content, arguments in pieces",
        stream: r#"data: {"id":"c4","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":""},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c4","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"The"},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c4","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_00","type":"function","function":{"name":"weather","arguments":""}}]},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c4","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\""}}]},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"id":"c4","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":339,"completion_tokens":83,"total_tokens":422,"completion_tokens_details":{"reasoning_tokens":39},"prompt_cache_hit_tokens":320}}

data: [DONE]

"#,
        text: "",
        reasoning: "The",
        tool_calls: &[("call_00", "weather", "{\"city\"")],
        finish_reason: "tool_calls",
        total_tokens: Some(422),
        error: "",
        chunks: 5,
    },
    Sample {
        name: "TGI: an error in the middle",
        stream: r#"data: {"object":"chat.completion.chunk","id":"","created":1,"model":"m","system_fingerprint":"3.3.5","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"},"logprobs":null,"finish_reason":null}],"usage":null}

data: {"error":{"message":"Request failed during generation: CUDA out of memory","http_status_code":422}}

data: [DONE]

"#,
        text: "Hel",
        reasoning: "",
        tool_calls: &[],
        finish_reason: "",
        total_tokens: None,
        error: "Request failed during generation: CUDA out of memory",
        chunks: 1,
    },
    Sample {
        name: "llama.cpp before September 2025: comments and an error field",
        stream: r#":

: keep-alive

error: {"code":500,"message":"context shift is disabled","type":"server_error"}

data: [DONE]

"#,
        text: "",
        reasoning: "",
        tool_calls: &[],
        finish_reason: "",
        total_tokens: None,
        error: "context shift is disabled",
        chunks: 0,
    },
    Sample {
        name: "Mistral-hosted GLM: a continuation with an empty name",
        stream: r#"data: {"id":"c5","object":"chat.completion.chunk","created":1,"model":"zai-glm-5-2","choices":[{"index":0,"delta":{"tool_calls":[{"id":"t1","type":"function","function":{"name":"webSearchTool","arguments":""},"index":0}],"index":0,"content":""},"finish_reason":null,"logprobs":null}]}

data: {"id":"c5","object":"chat.completion.chunk","created":1,"model":"zai-glm-5-2","choices":[{"index":0,"delta":{"tool_calls":[{"type":"function","function":{"name":"","arguments":"{\"query\": \"Berlin\"}"},"index":0}],"index":0,"content":""},"finish_reason":null,"logprobs":null}]}

data: {"id":"c5","object":"chat.completion.chunk","created":1,"model":"zai-glm-5-2","choices":[{"index":0,"delta":{"index":0,"content":""},"finish_reason":"tool_calls","logprobs":null}],"usage":{"prompt_tokens":171,"total_tokens":185,"completion_tokens":14}}

data: [DONE]

"#,
        text: "",
        reasoning: "",
        tool_calls: &[("t1", "webSearchTool", "{\"query\": \"Berlin\"}")],
        finish_reason: "tool_calls",
        total_tokens: Some(185),
        error: "",
        chunks: 3,
    },
];
