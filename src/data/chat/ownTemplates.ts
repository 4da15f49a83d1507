/**
 * Templates for models that bring none. Both mark the assistant's part, offer tools as JSON in the system message, and
 * expect calls as JSON between `<tool_call>` tags, as the Hermes and Qwen models write them.
 */

/** What stands before the first turn of the user: the system message, and the tools. */
const preamble = (open: string, close: string): string => `
{%- if messages[0].role == 'system' or tools %}
    {{- ${open} }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content }}{%- endif %}
    {%- if tools %}
        {{- '\\n\\n' if messages[0].role == 'system' else '' }}
        {{- 'You may call these functions. Write a call as JSON with name and arguments between <tool_call> and </tool_call>.\\n<tools>' }}
        {%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
        {{- '\\n</tools>' }}
    {%- endif %}
    {{- ${close} }}
{%- endif %}`;

/** The assistant's words and calls. */
const answer = `
        {{- message.content }}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n' if message.content or not loop.first else '' }}
            {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}
        {%- endfor %}`;

/** OpenAI's ChatML, for tokenizers that have its two tokens. */
export const chatml = `${preamble("'<|im_start|>system\\n'", "'<|im_end|>\\n'")}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- generation %}${answer}
        {{- '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- elif message.role != 'system' %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}`.trim();

/** Words of plain text, for tokenizers without tokens for a chat: an answer ends with the end of a text. */
export const plain = `{{- bos_token | default('') }}${preamble("'### System:\\n'", "'\\n\\n'")}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- '### Assistant:\\n' }}
        {%- generation %}${answer}
        {{- eos_token }}
        {%- endgeneration %}
        {{- '\\n\\n' }}
    {%- elif message.role == 'user' %}
        {{- '### User:\\n' + message.content + '\\n\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '### Tool:\\n' + message.content + '\\n\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '### Assistant:\\n' }}{%- endif %}`;
