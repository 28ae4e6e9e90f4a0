"""Questions that people put to a shop's bot and that no shop of codes answers: what "none of these" sounds like.

They teach the matcher when to stay silent. One that resembles an entry of the shop at hand is left out there.
"""

CHINESE = """
今天会不会下雪 明天气温多少度 现在外面热不热 讲个故事给我听 你会写诗吗 陪我聊聊天 你是谁开发的 你今年几岁
你有女朋友吗 你喜欢什么颜色 帮我算一下三百乘以七十二 一公里等于多少米 圆周率后面几位 怎么背单词快
帮我把这句话翻译成日语 这道几何题怎么做 写个工作总结 帮我起个网名 作文开头怎么写 论文查重率怎么降
番茄炒蛋要不要放糖 饺子煮多久能熟 附近哪家火锅好吃 减脂餐吃什么 电饭煲怎么煮粥 奶茶喝多了会胖吗 牛排几分熟好
头疼怎么缓解 嗓子发炎吃什么药 牙疼去医院挂什么科 失眠怎么办 孕妇能喝咖啡吗 打疫苗疼不疼 宝宝发烧怎么护理
孩子不爱学习怎么教育 分手了怎么走出来 女朋友生气了怎么哄 相亲第一句说什么 老板骂我了要不要离职
面试怎么自我介绍 考研选哪个学校 公务员报名时间 驾照科目二怎么过 昨晚的球赛谁赢了 奥运会在哪个城市办
最近有什么好看的电影 这首歌叫什么名字 推荐几本小说 周杰伦多大了 电视剧大结局是什么 明星八卦
去云南旅游几月份合适 高铁票怎么改签 酒店能不能提前入住 机票退改签要多少钱 身份证丢了怎么补办
护照过期了怎么换 签证要准备哪些材料 火车上能带充电宝吗 我的快递到哪里了 外卖怎么还没送到 打车软件怎么预约
共享单车押金怎么退 公交卡在哪里充值 地铁几点停运 油卡怎么办理 高速过路费怎么收 手机话费怎么查
流量用完了怎么办 水费在哪交 电费怎么算 房租押金不退怎么办 二手房贷款利率 公积金怎么提取 社保断缴有影响吗
医保卡余额怎么查 个税怎么申报 信用卡额度怎么提升 银行卡被冻结去哪解冻 花呗怎么关闭 蚂蚁森林怎么种树
微信被限制登录怎么解封 微信怎么注销 微信好友怎么批量删除 支付宝实名认证怎么改 抖音怎么涨粉
朋友圈怎么设置三天可见 淘宝店怎么开 拼多多砍价怎么成功 闲鱼怎么发布商品 小红书账号限流怎么办
苹果手机怎么重启 手机进水了怎么办 电脑蓝屏怎么修 显卡驱动怎么装 路由器密码怎么改 无线网连不上 表格里怎么求和
打印机没反应 硬盘数据怎么恢复 电脑开机密码忘了怎么破解 苹果id怎么注册 安卓怎么刷机 笔记本电池能用几年
这个英雄怎么出装 这关怎么过 新手玩哪个职业好 抽卡几率高不高 排位怎么上分 这游戏配置要求高吗 哪个皮肤最好看
副本打法攻略 战队怎么创建 游戏好友怎么加 游戏卡顿掉帧怎么优化 存档在哪个文件夹 怎么联机 外挂在哪下载
有没有破解版 免费的会员哪里领 能不能帮我刷等级 怎么自己生成激活码 帮我破解一个软件 手机怎么双开游戏
主机和电脑哪个玩着爽 游戏什么时候出续作 这个游戏值得玩吗 你们公司有多少人 你们在哪个城市办公
你们招人吗工资多少 我想投资你们 我想在你们网站投广告 你们老板是谁 你们一天能赚多少钱
开一个这样的网站要多少成本 卖虚拟商品要办什么证 做这行违法吗 你们网站是谁做的 用的什么程序搭的
服务器租哪家的 域名怎么备案 我也想卖卡怎么入门 能教我赚钱吗 兼职刷单吗 借我点钱 能帮我贷款吗 要不要买保险
加个好友交个朋友 你们收闲置账号吗 我想卖我的游戏号 回收购物卡吗 超市购物卡怎么用 健身卡能转让吗
会员卡积分换礼品 电影票怎么退 演唱会门票怎么抢 彩票中奖了怎么兑奖 股票怎么开户 基金亏了怎么办 比特币会涨吗
挖矿显卡哪款好 黄金现在多少一克 今天汇率是多少 人为什么要活着 地球有多大 恐龙怎么灭绝的 宇宙有没有尽头
世界上最高的山 谁发明了电灯 一年有多少天 今天是几号 现在北京时间 今天星期几 下一个节假日是哪天
属龙的今年多大 双子座性格怎么样 梦见掉牙是什么意思 帮我算个命 猫为什么喜欢纸箱 狗能吃巧克力吗 花怎么养
衣服怎么洗干净 空调怎么清洗 装修找哪家 随便说点什么 没事就看看 我就试试 测试一下 你猜我是谁 我心情不好
好无聊啊 笑死我了 天哪 真有意思 你真聪明 我爱你 唱首歌 晚饭吃了吗 睡了没 吃瓜 略略略 哈哈哈哈 随便逛逛
发错了 不是发给你的 按错了 点进来看看 没什么事了 你忙吧 快递单号查不到物流 外卖订单能取消吗 火车票订单在哪看
医院挂号单丢了 邮箱容量满了怎么清理 怎么注册一个邮箱 垃圾邮件怎么屏蔽 邮箱自动回复怎么设置
qq密码忘了怎么找回 学信网登录密码忘了 无线密码怎么看 保险柜密码打不开 手机锁屏密码忘记了
银行卡密码输错三次锁了 支付密码怎么设置 指纹支付怎么开 怎么开淘宝店的发票 公司报税流程 增值税怎么算
电子发票怎么打印 发票丢了会怎样 打车发票怎么开 浏览器哪个好用 怎么清理浏览器缓存 手机和电脑怎么传文件
手机号怎么换绑微信 过期牛奶还能喝吗 药过期了怎么办 身份证过期能坐飞机吗 驾驶证有效期几年 罐头能放几年
银行转账多久到账 工资什么时候发 跨行转账几点到 社保多久到账 退税多久到账 快递几天能到 顺丰一般几天
支付宝提现手续费多少 微信提现怎么收费 数字钱包怎么注册 以太坊怎么买 交易所怎么提现 助记词丢了怎么办
合约爆仓是什么意思 哪个钱包安全 刷卡机怎么办理 分期利息多少 白条怎么开通 征信有逾期怎么办 网贷还不上怎么办
饭卡怎么充值 校园卡丢了 门禁卡复制 公交卡退卡 地铁卡余额怎么查 加油卡哪里办 电话卡怎么注销 手机卡欠费停机
流量卡哪个划算 身份证消磁 信用卡年费怎么免 银行卡怎么激活 社保卡怎么激活 储蓄卡被吞了 会员卡丢了能补吗
健身卡退费 洗车卡转让 购书卡在哪用 礼品卡怎么设计 贺卡上写什么 显卡多少钱 声卡怎么调 存储卡读不出来 签证卡片
二维码怎么做 条形码怎么扫 健康码怎么申请 邀请码哪里有 源代码怎么写 邮政编码是多少 区号查询
手机验证码收不到怎么办 车辆识别码在哪 乱码怎么解决 摩斯密码怎么读 代码报错了怎么改 怎么学编程 接口测试怎么做
什么是接口 数据库怎么备份 怎么部署网站 小程序怎么开发 支付接口怎么申请 网站被攻击怎么办 游戏账号被封怎么申诉
微信被封多久解封 直播间被封了 steam怎么换头像 steam怎么绑定手机令牌 epic怎么领免费游戏 网飞怎么换语言
switch怎么连电视 手柄怎么配对 xbox怎么截图 苹果商店怎么换国家 谷歌账号怎么注册 油管怎么下载视频
怎么注册美区账号 梯子哪个好用 加速器哪个稳 游戏延迟高怎么办 怎么退steam的游戏 怎么取消自动续费
怎么关闭会员自动扣费 爱奇艺怎么投屏 会员有什么特权 腾讯视频怎么下载 qq音乐怎么听歌识曲 百度网盘怎么提速
wps怎么去广告 office和wps哪个好 怎么重装系统 windows怎么关闭更新 怎么激活windows不花钱 word怎么加页码
ppt怎么做动画 退货运费谁出 衣服不合适怎么退 快递丢了谁赔 餐厅吃坏肚子怎么赔偿 被公司辞退赔多少
交通事故怎么赔 保险怎么理赔 房东不退押金 培训班退费 机票能退多少 酒店取消要扣钱吗 手机保修期多久
家电质保怎么查 电脑坏了去哪修 汽车保养多少钱 房子漏水找谁 劳动仲裁怎么申请 怎么写起诉状 律师费多少
报警电话多少 消费者协会在哪 物业投诉打什么电话 交警投诉电话 移动客服电话是多少 银行客服怎么转人工
淘宝客服怎么联系 美团客服电话 机器人会取代人类吗 人工智能怎么学 你和别的机器人谁聪明 客服这个工作累吗
怎么当好一个客服 股票跌了怎么办 油价什么时候降 房价会跌吗 猪肉多少钱一斤 手机什么时候降价 双十一什么时候开始
优惠券怎么做 打折海报怎么设计 批发市场在哪 进货渠道怎么找 怎么做代理商 摆摊卖什么好 微商怎么做
怎么找货源开店 淘宝无货源怎么做 直播带货怎么起步 库存管理用什么软件 仓库盘点怎么做 怎么写产品介绍
客户投诉怎么回复 怎么写道歉信 小孩打游戏怎么管 未成年人防沉迷怎么弄 孩子几岁上小学 送女朋友什么礼物好
生日礼物推荐 个人信息泄露怎么办 怎么防止诈骗 刷单被骗了怎么追回 怎么查对方是不是骗子 收到诈骗短信怎么举报
手机丢了怎么定位 快递被偷了怎么办
"""
ENGLISH = """
will it snow this weekend|how hot is it outside|tell me a story|write me a haiku|lets chat for a while|
who made you|how old are you|do you have feelings|what is your favourite colour|are you married|
what is seventeen times twenty three|how many feet in a mile|solve this equation for me|
translate good morning to spanish|help me with my essay|proofread this paragraph|what does serendipity mean|
spell necessary|conjugate this verb|write a cover letter|how long do i boil an egg|best pizza near me|
recipe for banana bread|is coffee bad for you|what wine goes with fish|how do i lose weight fast|
how do i grill a steak|i have a headache|what helps with a sore throat|how do i fall asleep faster|
is this rash serious|side effects of ibuprofen|my baby has a fever|my dog ate chocolate|
my girlfriend left me|how do i ask someone out|my boss is mean to me|how do i write a resume|
what should i study|how do i pass my driving test|interview tips please|should i quit my job|
who won the match last night|when is the next world cup|recommend a good movie|what song is this|
best books of the year|how old is taylor swift|who directed inception|what is trending today|
best time to visit bali|how do i change my flight|can i check in early at the hotel|
refund for a cancelled train|how do i renew my passport|do i need a visa for japan|
is the museum open on monday|how far is the airport|where is my parcel|my food delivery is late|
how do i book a taxi|how do i top up my metro card|how do i pay my electricity bill|
how do i check my phone balance|my sim card is not working|how do i port my number|
what is a good mortgage rate|how do i file my taxes|increase my credit card limit|my bank card is frozen|
how do i open a savings account|is bitcoin going up|which stocks should i buy|how much is gold today|
what is the exchange rate|how do loans work|explain compound interest|how do i reset my gmail password|
my instagram got hacked|how do i get more followers|delete my facebook account|
how do i unblock someone on whatsapp|how do i open an ebay store|how do i post on reddit|
how do i cancel my gym membership|my phone fell in water|my laptop will not turn on|
how do i install a graphics driver|my printer is offline|how do i sum a column in excel|
how do i recover deleted files|which router should i get|how do i factory reset my phone|my wifi is slow|
how do i connect bluetooth headphones|how do i beat the last boss|what is the best build for a mage|
how do i rank up|which class is best for beginners|what are the drop rates|how do i make my game run faster|
where are save files stored|how do i play with friends online|is the game worth playing|
when does the sequel come out|how do i mod this game|how do i join a guild|what is the best controller|
can you boost my account|where can i download cheats|give me a free key|crack this program for me|
generate a license for me|free membership hack|how many people work at your company|where is your office|
are you hiring developers|what is the salary|i want to advertise on your site|can i invest in your company|
who is your ceo|how do i start a website like this|is it legal to sell digital goods|what hosting do you use|
who built your site|do i need a license to run a shop|teach me to make money online|lend me some money|
do you buy used accounts|i want to sell my account|do you buy gift cards for cash|
how do i use a supermarket gift card|how do i return shoes to amazon|concert tickets on sale|
did i win the lottery|sell me insurance|what is the meaning of life|how big is the earth|
why did dinosaurs die|who invented the telephone|what day is it|what time is it now|
how many days until christmas|tallest building in the world|capital of australia|how many planets are there|
is there life on mars|what does my dream mean|read my horoscope|how do i grow tomatoes|
how do i clean my oven|how do i remove a stain|how do i train my cat|just testing|just looking around|
never mind|wrong chat sorry|not meant for you|i am bored|i love you|you are funny|sing for me|guess who i am|
lol ok|whatever|hmm let me think|good night|did you eat|talk later|nothing really|that is interesting|
oh my god|you are smart|track my ups package|cancel my restaurant reservation|my mailbox is full|
how do i block spam mail|set up an out of office reply|forgot my iphone passcode|forgot my bank pin|
change my windows password|how do i set up two factor on github|my fingerprint login stopped working|
how do i make an invoice for a client|how is vat calculated|taxi receipt lost|which browser is the fastest|
how do i clear my search history|move files from phone to laptop|can i drink expired milk|
how long is a passport valid|how long does a bank transfer take|when will my salary arrive|
how long does a tax refund take|when does my train leave|how do i withdraw from binance|
what is a seed phrase|which crypto wallet is safest|should i buy ethereum|what are gas fees|
how do i get a credit card|my debit card was swallowed by the machine|activate my new bank card|
how do i get a student card|lost my library card|replace a lost sim card|best graphics card|
memory card not readable|write a birthday card|how do i make a qr code|what is my area code|
what is the zip code|how do i learn to code|my python code has an error|
what does this error in my program mean|how do i write an api in go|what is rest|how do i back up a database|
how do i deploy a website|ios app development cost|how do i accept card payments on my site|
appeal a youtube strike|twitter account suspended|how do i change my steam avatar|
how do i turn on steam guard|how do i claim free games on epic|change language on netflix|
connect my switch to the tv|pair an xbox controller|take a screenshot on ps5|create a us apple account|
download youtube videos|best vpn|high ping in games|refund a game on steam|cancel auto renewal on spotify|
cast netflix to my tv|difference between office and google docs|reinstall windows|turn off windows updates|
activate windows for free|add page numbers in word|who pays for return shipping|
return a jacket that does not fit|my landlord keeps the deposit|compensation for a delayed flight|
how do i claim insurance|is my fridge still under warranty|where can i repair my phone|how do i sue someone|
how much does a lawyer cost|call the police|phone number of my bank|talk to amazon support|
will robots replace humans|how do i become a support agent|are you smarter than other bots|
when do gas prices drop|will house prices fall|when is black friday|design a coupon for my bakery|
where do i find wholesale clothes|how do i start dropshipping|inventory software for a warehouse|
how do i answer an angry customer|write an apology letter|how do i limit my kids screen time|
what age can children start school|gift ideas for my wife|what should i get for her birthday|
how do i avoid scams|report a phishing text|locate my lost phone|someone stole my package|
my identity was stolen
"""


def questions() -> list[str]:
    """All of them."""
    return [*CHINESE.split(), *(text.strip() for text in ENGLISH.replace("\n", "").split("|"))]
